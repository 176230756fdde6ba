/*
 * cuda-query: what CUDA itself says of the GPUs, asked of the libcuda.so.1 that the dynamic linker finds.
 *
 * Prints a line for each answer and ends with 0, or with 1 after the line that tells what failed:
 *   driver 13000                                        cuDriverGetVersion: the newest CUDA the driver supports, 13.0
 *   gpu GPU-e37561c6-1450-88f3-251a-6e09235c19d6 9.0 NVIDIA H100 80GB HBM3
 *   failed cuInit 999
 *   not loaded libcuda.so.1: cannot open shared object file: No such file or directory
 *
 * No header is included and only symbols of the oldest glibc are used (libc.map), so that the same few bytes come out of
 * any machine with this compiler, and run wherever libcuda does.
 */
enum { RTLD_NOW = 2, STDOUT = 1, CAPABILITY_MAJOR = 75, CAPABILITY_MINOR = 76 };

int dprintf(int file, const char *format, ...);
void *dlopen(const char *name, int flags);
void *dlsym(void *library, const char *name);
char *dlerror(void);

static int failed(const char *call, int code)
{
    dprintf(STDOUT, "failed %s %d\n", call, code);
    return 1;
}

int main(void)
{
    int (*cuInit)(unsigned), (*cuDriverGetVersion)(int *), (*cuDeviceGetCount)(int *), (*cuDeviceGet)(int *, int);
    int (*cuDeviceGetName)(char *, int, int), (*cuDeviceGetAttribute)(int *, int, int);
    int (*cuDeviceGetUuid)(unsigned char *, int);
    int code, version = 0, count = 0, i, byte;

    void *library = dlopen("libcuda.so.1", RTLD_NOW);
    if (!library) {
        dprintf(STDOUT, "not loaded %s\n", dlerror());
        return 1;
    }
#define FIND(name) if (!(*(void **)&name = dlsym(library, #name))) return failed(#name, -1)
    FIND(cuInit);
    FIND(cuDriverGetVersion);
    FIND(cuDeviceGetCount);
    FIND(cuDeviceGet);
    FIND(cuDeviceGetName);
    FIND(cuDeviceGetAttribute);
    FIND(cuDeviceGetUuid); /* of the GPU; its second version tells a MIG instance's instead */

    if ((code = cuDriverGetVersion(&version))) return failed("cuDriverGetVersion", code);
    dprintf(STDOUT, "driver %d\n", version);
    if ((code = cuInit(0))) return failed("cuInit", code);
    if ((code = cuDeviceGetCount(&count))) return failed("cuDeviceGetCount", code);
    for (i = 0; i < count; i++) {
        unsigned char uuid[16];
        char name[256];
        int device = 0, major = 0, minor = 0;
        if ((code = cuDeviceGet(&device, i))) return failed("cuDeviceGet", code);
        if ((code = cuDeviceGetUuid(uuid, device))) return failed("cuDeviceGetUuid", code);
        if ((code = cuDeviceGetName(name, sizeof name, device))) return failed("cuDeviceGetName", code);
        if ((code = cuDeviceGetAttribute(&major, CAPABILITY_MAJOR, device)) ||
            (code = cuDeviceGetAttribute(&minor, CAPABILITY_MINOR, device)))
            return failed("cuDeviceGetAttribute", code);
        dprintf(STDOUT, "gpu GPU-");
        for (byte = 0; byte < 16; byte++)
            dprintf(STDOUT, "%s%02x", byte == 4 || byte == 6 || byte == 8 || byte == 10 ? "-" : "", uuid[byte]);
        dprintf(STDOUT, " %d.%d %s\n", major, minor, name);
    }
    return 0;
}

/* What crt1.o does; that of a new glibc would ask for symbols that an old one doesn't have. */
#if defined __x86_64__
__asm__(".globl _start\n_start:\n"
        "xor %ebp, %ebp\n"
        "mov %rdx, %r9\n"
        "pop %rsi\n"
        "mov %rsp, %rdx\n"
        "and $-16, %rsp\n"
        "push %rax\n"
        "push %rsp\n"
        "xor %r8d, %r8d\n"
        "xor %ecx, %ecx\n"
        "lea main(%rip), %rdi\n"
        "call *__libc_start_main@GOTPCREL(%rip)\n"
        "hlt\n");
#elif defined __aarch64__
__asm__(".globl _start\n_start:\n"
        "mov x29, #0\n"
        "mov x30, #0\n"
        "mov x5, x0\n"
        "ldr x1, [sp]\n"
        "add x2, sp, #8\n"
        "mov x6, sp\n"
        "adrp x0, main\n"
        "add x0, x0, :lo12:main\n"
        "mov x3, #0\n"
        "mov x4, #0\n"
        "bl __libc_start_main\n"
        "brk #0\n");
#endif
