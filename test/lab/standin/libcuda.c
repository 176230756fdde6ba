/*
 * libcuda of the stand-in driver. Answers from the state of the container what the recordings in test/fixtures/nvidia show:
 *   no kernel driver, no usable nvidiactl or no GPU  100 (CUDA_ERROR_NO_DEVICE)
 *   kernel module of another version                 803 (CUDA_ERROR_SYSTEM_DRIVER_MISMATCH)
 *   nvidia-uvm missing, denied or not the driver's   999 (CUDA_ERROR_UNKNOWN)
 * and what the host's GPUs are told to answer (test/lab/gpu-condition.ts).
 * No kernel driver stands behind the lab's nodes: opening one that is permitted gives ENXIO, which counts as open.
 * Freestanding (x86-64 system calls only), so that it loads in a container with any C library.
 */
typedef unsigned long size_t;

/* volatile: it is patched in after compilation, so the compiler must not take it for known. */
const volatile char lab_driver_version[32] = "@DRIVER_VERSION@";

enum { SUCCESS = 0, INVALID_VALUE = 1, NOT_INITIALIZED = 3, NO_DEVICE = 100, INVALID_DEVICE = 101, MISMATCH = 803, UNKNOWN = 999 };
enum { SYS_READ = 0, SYS_OPEN = 2, SYS_CLOSE = 3, SYS_STAT = 4, SYS_MKNOD = 133, SYS_GETDENTS64 = 217 };
enum { ENXIO_ = 6, O_RDWR_ = 2, O_CLOEXEC_ = 02000000, O_DIRECTORY_ = 0200000, S_IFCHR_ = 0020000, S_IFMT_ = 0170000 };
enum { FIRST_DYNAMIC_MAJOR = 234, LAST_DYNAMIC_MAJOR = 511 };
enum { NVIDIA_MAJOR = 195, CONTROL_MINOR = 255, MAX_GPUS = 32, TEXT = 4096 };

static long call(long n, long a, long b, long c)
{
    long result;
    __asm__ volatile("syscall" : "=a"(result) : "a"(n), "D"(a), "S"(b), "d"(c) : "rcx", "r11", "memory");
    return result;
}

static size_t length(const char *s) { size_t n = 0; while (s[n]) n++; return n; }
static int starts(const char *s, const char *prefix) { while (*prefix) if (*s++ != *prefix++) return 0; return 1; }
static const char *find(const char *s, const char *what) { for (; *s; s++) if (starts(s, what)) return s; return 0; }
static void append(char *to, const char *s) { to += length(to); while ((*to++ = *s++)) {} }

static int number(const char *s)
{
    int n = 0, seen = 0;
    while (*s == ' ' || *s == '\t') s++;
    for (; *s >= '0' && *s <= '9'; s++, seen = 1) n = n * 10 + *s - '0';
    return seen ? n : -1;
}

static int read_text(const char *path, char *text)
{
    long fd = call(SYS_OPEN, (long)path, 0, 0), n, at = 0;
    if (fd < 0) return 0;
    while (at < TEXT - 1 && (n = call(SYS_READ, fd, (long)(text + at), TEXT - 1 - at)) > 0) at += n;
    call(SYS_CLOSE, fd, 0, 0);
    text[at] = 0;
    return 1;
}

/*
 * Opens the node, which must be major:minor; makes it first when it is missing, as the driver does where it may.
 * A negative major: /proc/devices doesn't tell it, so any that the kernel gives out dynamically will do (nvidia-uvm's is one).
 */
static int node_opens(const char *path, int major, int minor)
{
    long buffer[18], fd; /* struct stat of x86-64: 144 bytes, st_mode at 24, st_rdev at 40 */
    long device = ((long)major << 8) | minor; /* minors here are below 256 */
    if (call(SYS_STAT, (long)path, (long)buffer, 0) < 0) {
        if (major >= 0) call(SYS_MKNOD, (long)path, S_IFCHR_ | 0666, device);
        if (call(SYS_STAT, (long)path, (long)buffer, 0) < 0) return 0;
    }
    if ((((unsigned *)buffer)[6] & S_IFMT_) != S_IFCHR_) return 0;
    if (major >= 0 && buffer[5] != device) return 0;
    if (major < 0 && ((buffer[5] & 0xff) != minor || buffer[5] >> 8 < FIRST_DYNAMIC_MAJOR || buffer[5] >> 8 > LAST_DYNAMIC_MAJOR))
        return 0;
    fd = call(SYS_OPEN, (long)path, O_RDWR_ | O_CLOEXEC_, 0);
    if (fd >= 0) { call(SYS_CLOSE, fd, 0, 0); return 1; }
    return fd == -ENXIO_;
}

struct gpu { char location[32], name[64], uuid[48]; };
static struct gpu gpus[MAX_GPUS];
static int gpu_count, initialized;

static void copy_field(const char *text, const char *key, char *to, size_t room)
{
    const char *s = find(text, key);
    size_t n = 0;
    if (s) for (s += length(key); *s == ' ' || *s == '\t'; s++) {}
    while (s && *s && *s != '\n' && n < room - 1) to[n++] = *s++;
    to[n] = 0;
}

static void add_gpu(const char *location)
{
    static char text[TEXT];
    char path[128] = "/proc/driver/nvidia/gpus/", node[32] = "/dev/nvidia", digits[4] = "";
    const char *minor_field;
    int minor, i;
    append(path, location);
    append(path, "/information");
    if (gpu_count == MAX_GPUS || !read_text(path, text) || !(minor_field = find(text, "Device Minor:"))) return;
    if ((minor = number(minor_field + 13)) < 0 || minor > 99) return;
    if (minor > 9) { digits[0] = '0' + minor / 10; digits[1] = '0' + minor % 10; } else digits[0] = '0' + minor;
    append(node, digits);
    if (!node_opens(node, NVIDIA_MAJOR, minor)) return;
    /* CUDA counts in PCI order; the directory may list in any. */
    for (i = gpu_count++; i > 0; i--) {
        const char *a = gpus[i - 1].location, *b = location;
        while (*a && *a == *b) { a++; b++; }
        if (*a <= *b) break;
        gpus[i] = gpus[i - 1];
    }
    gpus[i].location[0] = 0;
    if (length(location) < sizeof gpus[i].location) append(gpus[i].location, location);
    copy_field(text, "Model:", gpus[i].name, sizeof gpus[i].name);
    copy_field(text, "GPU UUID:", gpus[i].uuid, sizeof gpus[i].uuid);
}

static void find_gpus(void)
{
    static char entries[TEXT];
    long fd = call(SYS_OPEN, (long)"/proc/driver/nvidia/gpus", O_DIRECTORY_, 0), n, at;
    gpu_count = 0;
    if (fd < 0) return;
    while ((n = call(SYS_GETDENTS64, fd, (long)entries, sizeof entries)) > 0)
        for (at = 0; at < n; at += *(unsigned short *)(entries + at + 16)) /* d_reclen at 16, d_name at 19 */
            if (entries[at + 19] != '.') add_gpu(entries + at + 19);
    call(SYS_CLOSE, fd, 0, 0);
}

static int uvm_opens(void)
{
    static char devices[TEXT];
    const char *s;
    int major = -1;
    if (!read_text("/proc/devices", devices)) return 0;
    for (s = devices; s && *s && major < 0; s = find(s, "\n") ? find(s, "\n") + 1 : 0) {
        const char *name = s;
        while (*name == ' ' || (*name >= '0' && *name <= '9')) name++;
        if (starts(name, "nvidia-uvm\n")) major = number(s);
    }
    return node_opens("/dev/nvidia-uvm", major, 0);
}

/* What the condition of the host's GPUs makes a step answer, as a CUresult. */
static int answer(const char *step)
{
    static char text[TEXT];
    const char *s;
    if (!read_text("/proc/driver/nvidia/lab-condition", text) || !(s = find(text, step))) return SUCCESS;
    return number(s + length(step));
}

int cuInit(unsigned flags)
{
    static char version[TEXT];
    char with_blank[40] = " ";
    int i;
    if (flags) return INVALID_VALUE;
    if (!read_text("/proc/driver/nvidia/version", version)) return NO_DEVICE;
    if (!node_opens("/dev/nvidiactl", NVIDIA_MAJOR, CONTROL_MINOR)) return NO_DEVICE;
    for (i = 0; lab_driver_version[i]; i++) with_blank[i + 1] = lab_driver_version[i];
    append(with_blank, " ");
    if (!find(version, with_blank)) return MISMATCH;
    find_gpus();
    if (!gpu_count) return NO_DEVICE;
    if (!uvm_opens()) return UNKNOWN;
    if ((i = answer("cuInit "))) return i;
    initialized = 1;
    return SUCCESS;
}

int cuDeviceGetCount(int *count)
{
    if (!initialized) return NOT_INITIALIZED;
    if (!count) return INVALID_VALUE;
    *count = gpu_count;
    return SUCCESS;
}

int cuDeviceGet(int *device, int ordinal)
{
    if (!initialized) return NOT_INITIALIZED;
    if (!device) return INVALID_VALUE;
    if (ordinal < 0 || ordinal >= gpu_count) return INVALID_DEVICE;
    *device = ordinal;
    return SUCCESS;
}

/* What a program first needs a GPU for; the lab's runtime has no other use of it. */
int cuDevicePrimaryCtxRetain(void **context, int device)
{
    if (!initialized) return NOT_INITIALIZED;
    if (!context) return INVALID_VALUE;
    if (device < 0 || device >= gpu_count) return INVALID_DEVICE;
    *context = &gpus[device];
    return answer("context ");
}

/* Waits for the kernels that were launched. */
int cuCtxSynchronize(void)
{
    return initialized ? answer("kernel ") : NOT_INITIALIZED;
}

int cuDeviceGetName(char *name, int room, int device)
{
    int i;
    if (!initialized) return NOT_INITIALIZED;
    if (!name || room < 1) return INVALID_VALUE;
    if (device < 0 || device >= gpu_count) return INVALID_DEVICE;
    for (i = 0; i < room - 1 && gpus[device].name[i]; i++) name[i] = gpus[device].name[i];
    name[i] = 0;
    return SUCCESS;
}

static int hex(char c) { return c >= 'a' ? c - 'a' + 10 : c >= 'A' ? c - 'A' + 10 : c - '0'; }

int cuDeviceGetUuid(unsigned char *uuid, int device)
{
    const char *s;
    int n = 0;
    if (!initialized) return NOT_INITIALIZED;
    if (!uuid) return INVALID_VALUE;
    if (device < 0 || device >= gpu_count) return INVALID_DEVICE;
    for (s = gpus[device].uuid + 4; n < 16 && s[0] && s[1]; s += 2) { /* after "GPU-" */
        if (*s == '-') s++;
        uuid[n++] = hex(s[0]) << 4 | hex(s[1]);
    }
    return SUCCESS;
}

/* What the recordings don't tell of other models is from NVIDIA's product tables: MiB of memory, compute capability. */
static const struct { const char *model; unsigned mib; int capability; } MODELS[] = {
    { "H100", 81559, 90 }, { "H200", 143771, 90 }, { "A100", 81920, 80 }, { "RTX 3090", 24576, 86 }, { "RTX 30", 12288, 86 },
    { "RTX 4090", 24564, 89 }, { "RTX 40", 16376, 89 }, { "RTX 5060 Ti", 16311, 120 }, { "RTX 50", 16303, 120 },
    { "", 16384, 75 },
};

static int model_of(int device)
{
    int i = 0;
    while (!find(gpus[device].name, MODELS[i].model) && MODELS[i].model[0]) i++;
    return i;
}

int cuDeviceTotalMem(size_t *bytes, int device)
{
    if (!initialized) return NOT_INITIALIZED;
    if (!bytes) return INVALID_VALUE;
    if (device < 0 || device >= gpu_count) return INVALID_DEVICE;
    *bytes = (size_t)MODELS[model_of(device)].mib << 20;
    return SUCCESS;
}
int cuDeviceTotalMem_v2(size_t *bytes, int device) { return cuDeviceTotalMem(bytes, device); }

enum { CAPABILITY_MAJOR = 75, CAPABILITY_MINOR = 76 };
int cuDeviceGetAttribute(int *value, int attribute, int device)
{
    if (!initialized) return NOT_INITIALIZED;
    if (!value || (attribute != CAPABILITY_MAJOR && attribute != CAPABILITY_MINOR)) return INVALID_VALUE;
    if (device < 0 || device >= gpu_count) return INVALID_DEVICE;
    *value = attribute == CAPABILITY_MAJOR ? MODELS[model_of(device)].capability / 10 : MODELS[model_of(device)].capability % 10;
    return SUCCESS;
}

int cuDeviceGetPCIBusId(char *location, int room, int device)
{
    int i;
    if (!initialized) return NOT_INITIALIZED;
    if (!location || room < 1) return INVALID_VALUE;
    if (device < 0 || device >= gpu_count) return INVALID_DEVICE;
    for (i = 0; i < room - 1 && gpus[device].location[i]; i++) location[i] = gpus[device].location[i];
    location[i] = 0;
    return SUCCESS;
}

int cuDeviceGetUuid_v2(unsigned char *uuid, int device) { return cuDeviceGetUuid(uuid, device); }

/* The CUDA version a driver branch supports (release notes, table 3). Needs no cuInit. */
int cuDriverGetVersion(int *version)
{
    int branch = 0, i;
    for (i = 0; lab_driver_version[i] != '.' && lab_driver_version[i]; i++) branch = branch * 10 + lab_driver_version[i] - '0';
    if (!version) return INVALID_VALUE;
    *version = branch >= 590 ? 13010 : branch >= 580 ? 13000 : branch >= 575 ? 12090 : branch >= 570 ? 12080
        : branch >= 560 ? 12060 : branch >= 555 ? 12050 : branch >= 550 ? 12040 : branch >= 545 ? 12030
        : branch >= 535 ? 12020 : branch >= 530 ? 12010 : branch >= 525 ? 12000 : branch >= 470 ? 11040 : 10020;
    return SUCCESS;
}
