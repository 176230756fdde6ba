/* Stands for libdl.so.2 when linking: nothing but the names. glibc has kept it since 2.34 for programs that ask for it. */
void dlopen(void) {}
void dlsym(void) {}
void dlerror(void) {}
