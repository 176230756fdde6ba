/*
 * cuda-proof: runs kernels on every GPU that CUDA shows, checks their numbers against the processor's, and measures copies.
 *
 * Prints a line for each GPU and ends with 0, or with 1 after the line that tells what failed:
 *   gpu GPU-e37561c6-1450-88f3-251a-6e09235c19d6 integers 0 floats 0 host-to-device 24.1 device-to-device 1290.4
 *   failed cudaMalloc 2 out of memory
 * The numbers are wrong integers (of 262144, compared exactly) and wrong floats (with a tolerance), then GB/s: 10^9 bytes
 * copied per second, the best of several; 0.0 where the GPU has no room for it.
 */
#include <cuda_runtime.h>

#include <chrono>
#include <cmath>
#include <cstdio>
#include <vector>

static const int COUNT = 1 << 18, THREADS = 256, ROUNDS = 32;
static const size_t COPY_BYTES = 64u << 20;

/* The same steps on GPU and processor: integers must come out equal to the bit. */
__host__ __device__ inline unsigned mixed(unsigned x)
{
    for (int i = 0; i < ROUNDS; i++) {
        x ^= x << 13;
        x ^= x >> 17;
        x ^= x << 5;
        x = x * 2654435761u + 1u;
    }
    return x;
}

/* Floats may differ in their last bits, where one of the two multiplies and adds in one step. */
__host__ __device__ inline float summed(int x)
{
    float sum = 0.0f;
    for (int i = 1; i <= ROUNDS; i++) sum += sqrtf((float)x + (float)i) / (float)i;
    return sum;
}

__global__ void compute(unsigned *integers, float *floats, int count)
{
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < count) {
        integers[i] = mixed((unsigned)i);
        floats[i] = summed(i);
    }
}

static int failed(const char *call, cudaError_t error)
{
    printf("failed %s %d %s\n", call, (int)error, cudaGetErrorString(error));
    return 1;
}

#define TRY(call, ...) do { \
    cudaError_t error = call(__VA_ARGS__); \
    if (error != cudaSuccess) return failed(#call, error); \
} while (0)

/* GB/s of the best of several copies. */
static double gigabytes_per_second(void *to, const void *from, cudaMemcpyKind kind)
{
    double best = 0;
    for (int i = 0; i < 5; i++) {
        auto begin = std::chrono::steady_clock::now();
        if (cudaMemcpy(to, from, COPY_BYTES, kind) != cudaSuccess || cudaDeviceSynchronize() != cudaSuccess) return 0;
        std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - begin;
        best = fmax(best, COPY_BYTES / seconds.count() / 1e9);
    }
    return best;
}

static int prove(int device)
{
    cudaDeviceProp properties;
    TRY(cudaSetDevice, device);
    TRY(cudaGetDeviceProperties, &properties, device);

    unsigned *integers;
    float *floats;
    std::vector<unsigned> got_integers(COUNT);
    std::vector<float> got_floats(COUNT);
    TRY(cudaMalloc, (void **)&integers, COUNT * sizeof *integers);
    TRY(cudaMalloc, (void **)&floats, COUNT * sizeof *floats);
    compute<<<(COUNT + THREADS - 1) / THREADS, THREADS>>>(integers, floats, COUNT);
    TRY(cudaGetLastError);
    TRY(cudaDeviceSynchronize);
    TRY(cudaMemcpy, got_integers.data(), integers, COUNT * sizeof *integers, cudaMemcpyDeviceToHost);
    TRY(cudaMemcpy, got_floats.data(), floats, COUNT * sizeof *floats, cudaMemcpyDeviceToHost);
    TRY(cudaFree, integers);
    TRY(cudaFree, floats);
    int wrong_integers = 0, wrong_floats = 0;
    for (int i = 0; i < COUNT; i++) {
        float expected = summed(i);
        wrong_integers += got_integers[i] != mixed((unsigned)i);
        wrong_floats += !(fabsf(got_floats[i] - expected) <= 1e-4f * expected);
    }

    void *host = nullptr, *from = nullptr, *to = nullptr;
    double to_device = 0, on_device = 0;
    if (cudaMallocHost(&host, COPY_BYTES) == cudaSuccess && cudaMalloc(&from, COPY_BYTES) == cudaSuccess) {
        to_device = gigabytes_per_second(from, host, cudaMemcpyHostToDevice);
        if (cudaMalloc(&to, COPY_BYTES) == cudaSuccess) on_device = gigabytes_per_second(to, from, cudaMemcpyDeviceToDevice);
    }
    cudaFree(to);
    cudaFree(from);
    if (host) cudaFreeHost(host);
    cudaGetLastError();

    printf("gpu GPU-");
    for (int i = 0; i < 16; i++) {
        const char *dash = i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "";
        printf("%s%02x", dash, (unsigned)(unsigned char)properties.uuid.bytes[i]);
    }
    printf(" integers %d floats %d host-to-device %.1f device-to-device %.1f\n", wrong_integers, wrong_floats, to_device,
           on_device);
    return wrong_integers || wrong_floats;
}

int main()
{
    int count = 0;
    TRY(cudaGetDeviceCount, &count);
    for (int device = 0; device < count; device++)
        if (prove(device)) return 1;
    return 0;
}
