/*
 * The lab's CUDA runtime, all of it in this header: enough for a program that counts devices, copies memory and launches
 * kernels. Whether a GPU can be used is asked of the libcuda.so.1 that is installed, as the real runtime does; a kernel then
 * runs on the processor, one thread after the other, so its numbers are real. Kernels with barriers don't compile.
 */
#pragma once
#ifndef __CUDACC__
#error "the lab's cuda_runtime.h is for nvcc"
#endif
#include <dlfcn.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <utility>
#include "cuda.h"

#define CUDART_VERSION CUDA_VERSION
#define __global__
#define __device__
#define __host__
#define __constant__
#define __shared__ static
#define __forceinline__ inline
#define __launch_bounds__(...)

struct uint3 { unsigned x, y, z; };
struct dim3 {
    unsigned x, y, z;
    dim3(unsigned x = 1, unsigned y = 1, unsigned z = 1) : x(x), y(y), z(z) {}
};
inline thread_local uint3 threadIdx, blockIdx;
inline thread_local dim3 blockDim, gridDim;
constexpr int warpSize = 32;

void __syncthreads() __attribute__((error("the lab's nvcc runs the threads of a block one after the other")));
template <class T> T atomicAdd(T *address, T value) { T old = *address; *address += value; return old; }

enum cudaError_t {
    cudaSuccess = 0,
    cudaErrorInvalidValue = 1,
    cudaErrorMemoryAllocation = 2,
    cudaErrorInvalidConfiguration = 9,
    cudaErrorInsufficientDriver = 35,
    cudaErrorDevicesUnavailable = 46,
    cudaErrorNoDevice = 100,
    cudaErrorInvalidDevice = 101,
    cudaErrorNoKernelImageForDevice = 209,
    cudaErrorECCUncorrectable = 214,
    cudaErrorUnsupportedPtxVersion = 222,
    cudaErrorSystemDriverMismatch = 803,
    cudaErrorUnknown = 999
};

inline const char *cudaGetErrorString(cudaError_t error)
{
    switch (error) {
    case cudaSuccess: return "no error";
    case cudaErrorInvalidValue: return "invalid argument";
    case cudaErrorMemoryAllocation: return "out of memory";
    case cudaErrorInvalidConfiguration: return "invalid configuration argument";
    case cudaErrorInsufficientDriver: return "CUDA driver version is insufficient for CUDA runtime version";
    case cudaErrorDevicesUnavailable: return "CUDA-capable device(s) is/are busy or unavailable";
    case cudaErrorNoDevice: return "no CUDA-capable device is detected";
    case cudaErrorInvalidDevice: return "invalid device ordinal";
    case cudaErrorNoKernelImageForDevice: return "no kernel image is available for execution on the device";
    case cudaErrorECCUncorrectable: return "uncorrectable ECC error encountered";
    case cudaErrorUnsupportedPtxVersion: return "the provided PTX was compiled with an unsupported toolchain.";
    case cudaErrorSystemDriverMismatch: return "system has unsupported display driver / cuda driver combination";
    default: return "unknown error";
    }
}

inline const char *cudaGetErrorName(cudaError_t error)
{
    switch (error) {
    case cudaSuccess: return "cudaSuccess";
    case cudaErrorInvalidValue: return "cudaErrorInvalidValue";
    case cudaErrorMemoryAllocation: return "cudaErrorMemoryAllocation";
    case cudaErrorInvalidConfiguration: return "cudaErrorInvalidConfiguration";
    case cudaErrorInsufficientDriver: return "cudaErrorInsufficientDriver";
    case cudaErrorDevicesUnavailable: return "cudaErrorDevicesUnavailable";
    case cudaErrorNoDevice: return "cudaErrorNoDevice";
    case cudaErrorInvalidDevice: return "cudaErrorInvalidDevice";
    case cudaErrorNoKernelImageForDevice: return "cudaErrorNoKernelImageForDevice";
    case cudaErrorECCUncorrectable: return "cudaErrorECCUncorrectable";
    case cudaErrorUnsupportedPtxVersion: return "cudaErrorUnsupportedPtxVersion";
    case cudaErrorSystemDriverMismatch: return "cudaErrorSystemDriverMismatch";
    default: return "cudaErrorUnknown";
    }
}

namespace lab {

inline thread_local cudaError_t last_error = cudaSuccess;
inline thread_local int current_device = 0;

inline cudaError_t remember(cudaError_t error) { return error == cudaSuccess ? error : last_error = error; }

/* A function of the installed libcuda, or null. */
template <class F> F driver(const char *name)
{
    static void *library = dlopen("libcuda.so.1", RTLD_NOW);
    return library ? reinterpret_cast<F>(dlsym(library, name)) : nullptr;
}

inline int driver_version()
{
    int version = 0;
    auto get = driver<CUresult (*)(int *)>("cuDriverGetVersion");
    if (get) get(&version);
    return version;
}

/* A driver of the same major version will do (minor version compatibility). */
inline cudaError_t initialize()
{
    static cudaError_t result = [] {
        if (driver_version() / 1000 < CUDART_VERSION / 1000) return cudaErrorInsufficientDriver;
        return static_cast<cudaError_t>(driver<CUresult (*)(unsigned)>("cuInit")(0));
    }();
    return remember(result);
}

inline int attribute(CUdevice_attribute which, int device)
{
    int value = 0;
    driver<CUresult (*)(int *, CUdevice_attribute, CUdevice)>("cuDeviceGetAttribute")(&value, which, device);
    return value;
}

/*
 * Whether the device can run what nvcc made: machine code for its architecture (same major, not newer), else PTX, which only
 * a driver as new as the toolkit can translate.
 */
inline cudaError_t loadable(int device)
{
    static const int cubins[] = {LAB_CUBINS -1}, ptx[] = {LAB_PTX -1};
    const int major = attribute(CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR, device);
    const int capability = major * 10 + attribute(CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR, device);
    for (int cubin : cubins) if (cubin / 10 == major && cubin <= capability) return cudaSuccess;
    for (int version : ptx) {
        if (version < 0 || version > capability) continue;
        return driver_version() < CUDART_VERSION ? cudaErrorUnsupportedPtxVersion : cudaSuccess;
    }
    return cudaErrorNoKernelImageForDevice;
}

struct Launch {
    dim3 grid, block;
    Launch(dim3 grid, dim3 block, size_t = 0, void * = nullptr) : grid(grid), block(block) {}

    template <class Kernel> void operator()(Kernel kernel) const
    {
        cudaError_t error = initialize();
        if (error == cudaSuccess) error = loadable(current_device);
        const size_t threads = size_t(block.x) * block.y * block.z;
        if (error == cudaSuccess && (threads == 0 || threads > 1024 || grid.x == 0)) error = cudaErrorInvalidConfiguration;
        if (remember(error) != cudaSuccess) return;
        gridDim = grid;
        blockDim = block;
        for (blockIdx.z = 0; blockIdx.z < grid.z; blockIdx.z++)
            for (blockIdx.y = 0; blockIdx.y < grid.y; blockIdx.y++)
                for (blockIdx.x = 0; blockIdx.x < grid.x; blockIdx.x++)
                    for (threadIdx.z = 0; threadIdx.z < block.z; threadIdx.z++)
                        for (threadIdx.y = 0; threadIdx.y < block.y; threadIdx.y++)
                            for (threadIdx.x = 0; threadIdx.x < block.x; threadIdx.x++) kernel();
    }
};

} // namespace lab

inline cudaError_t cudaGetLastError() { return std::exchange(lab::last_error, cudaSuccess); }
inline cudaError_t cudaPeekAtLastError() { return lab::last_error; }
inline cudaError_t cudaDriverGetVersion(int *version) { *version = lab::driver_version(); return cudaSuccess; }
inline cudaError_t cudaRuntimeGetVersion(int *version) { *version = CUDART_VERSION; return cudaSuccess; }

inline cudaError_t cudaGetDeviceCount(int *count)
{
    *count = 0;
    const cudaError_t error = lab::initialize();
    if (error == cudaSuccess) lab::driver<CUresult (*)(int *)>("cuDeviceGetCount")(count);
    return error;
}

inline cudaError_t cudaSetDevice(int device)
{
    int count;
    if (const cudaError_t error = cudaGetDeviceCount(&count)) return error;
    if (device < 0 || device >= count) return lab::remember(cudaErrorInvalidDevice);
    lab::current_device = device;
    void *context;
    auto retain = lab::driver<CUresult (*)(void **, CUdevice)>("cuDevicePrimaryCtxRetain");
    return lab::remember(static_cast<cudaError_t>(retain(&context, device)));
}
inline cudaError_t cudaGetDevice(int *device) { *device = lab::current_device; return lab::initialize(); }

struct cudaDeviceProp {
    char name[256];
    CUuuid uuid;
    size_t totalGlobalMem;
    int major, minor, pciBusID, pciDeviceID, pciDomainID;
};

inline cudaError_t cudaGetDeviceProperties(cudaDeviceProp *properties, int device)
{
    int count;
    char location[32] = "";
    if (const cudaError_t error = cudaGetDeviceCount(&count)) return error;
    if (device < 0 || device >= count) return lab::remember(cudaErrorInvalidDevice);
    *properties = {};
    lab::driver<CUresult (*)(char *, int, CUdevice)>("cuDeviceGetName")(properties->name, sizeof properties->name, device);
    lab::driver<CUresult (*)(CUuuid *, CUdevice)>("cuDeviceGetUuid")(&properties->uuid, device);
    lab::driver<CUresult (*)(size_t *, CUdevice)>("cuDeviceTotalMem")(&properties->totalGlobalMem, device);
    lab::driver<CUresult (*)(char *, int, CUdevice)>("cuDeviceGetPCIBusId")(location, sizeof location, device);
    sscanf(location, "%x:%x:%x", &properties->pciDomainID, &properties->pciBusID, &properties->pciDeviceID);
    properties->major = lab::attribute(CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR, device);
    properties->minor = lab::attribute(CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR, device);
    return cudaSuccess;
}

enum cudaMemcpyKind {
    cudaMemcpyHostToHost, cudaMemcpyHostToDevice, cudaMemcpyDeviceToHost, cudaMemcpyDeviceToDevice, cudaMemcpyDefault
};
typedef struct lab_stream *cudaStream_t;

template <class T> cudaError_t cudaMalloc(T **memory, size_t bytes)
{
    if (const cudaError_t error = lab::initialize()) return error;
    *memory = static_cast<T *>(malloc(bytes));
    return *memory || !bytes ? cudaSuccess : lab::remember(cudaErrorMemoryAllocation);
}
template <class T> cudaError_t cudaMallocManaged(T **memory, size_t bytes, unsigned = 1) { return cudaMalloc(memory, bytes); }
template <class T> cudaError_t cudaMallocHost(T **memory, size_t bytes) { return cudaMalloc(memory, bytes); }
inline cudaError_t cudaFree(void *memory) { free(memory); return lab::initialize(); }
inline cudaError_t cudaFreeHost(void *memory) { return cudaFree(memory); }
inline cudaError_t cudaMemset(void *to, int value, size_t bytes) { memset(to, value, bytes); return lab::initialize(); }
inline cudaError_t cudaMemcpy(void *to, const void *from, size_t bytes, cudaMemcpyKind kind)
{
    if (const cudaError_t error = lab::initialize()) return error;
    if (bytes && (!to || !from)) return lab::remember(cudaErrorInvalidValue);
    memcpy(to, from, bytes);
    if (kind == cudaMemcpyDeviceToHost && bytes && access("/etc/proxmox-lxc-nvidia-lab/wrong-numbers", F_OK) == 0)
        ++*static_cast<unsigned char *>(to);
    return cudaSuccess;
}
inline cudaError_t cudaDeviceSynchronize()
{
    if (const cudaError_t error = lab::initialize()) return error;
    const auto error = static_cast<cudaError_t>(lab::driver<CUresult (*)()>("cuCtxSynchronize")());
    return error ? lab::remember(error) : cudaPeekAtLastError();
}
inline cudaError_t cudaDeviceReset() { return cudaSuccess; }
