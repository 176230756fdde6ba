/* Stands for libc.so.6 when linking: nothing but the names. */
void __libc_start_main(void) {}
void dprintf(void) {}
