// Runs the groups of a GPU kernel on the CPU, one group after another, and reports what a GPU would let pass.
//
// A thread of a group is a fiber that runs from barrier to barrier, in order or in reverse, while the others stand still. So a
// missing barrier is no matter of luck: the first fiber finds its neighbours' share of a tile not written yet (it is poisoned
// with NaN), or overwrites what they have not read yet. Arrays check every index, and that each result is written once.
//
// Before this file METAL or CUDA is defined; after it come the kernels as MLX would put them together.

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>

// In place of <math.h>, which takes longer to compile than all the rest.
extern "C" float fmaf(float x, float y, float sum);

// The linker gives the bounds of a section: shared memory is poisoned before each group.
extern char __start_shared[] __attribute__((visibility("hidden")));
extern char __stop_shared[] __attribute__((visibility("hidden")));

struct uint3 {
  unsigned x, y, z;
};

struct alignas(16) float4 {
  float x, y, z, w;
};

namespace shim {

constexpr size_t STACK_BYTES = 64 << 10;
constexpr int MAX_THREADS = 1024;

char fault[200];  // the first thing found wrong, in words

void report(const char* what, size_t index, size_t size) {
  if (!fault[0]) snprintf(fault, sizeof fault, "%s: index %zu, size %zu", what, index, size);
}

struct Input {
  const float* data;
  size_t size;

  float operator[](size_t index) const {
    if (index < size) return data[index];
    report("read out of bounds", index, size);
    return __builtin_nanf("");
  }
};

struct Output {
  float* data;
  unsigned char* written;
  size_t size;

  float& operator[](size_t index) const {
    static float nowhere;
    if (index >= size) {
      report("written out of bounds", index, size);
      return nowhere;
    }
    if (written[index]++) report("written twice", index, size);
    return data[index];
  }
};

uint3 thread_index, group_index, group_count;
ucontext_t fibers[MAX_THREADS], scheduler;
bool finished[MAX_THREADS];
char stacks[MAX_THREADS][STACK_BYTES];
int running;
void (*body)();

void barrier() { swapcontext(&fibers[running], &scheduler); }

void fiber() {
  body();
  finished[running] = true;
}

void run_group(int threads, bool reverse) {
  memset(__start_shared, 0xff, size_t(__stop_shared - __start_shared));
  for (int i = 0; i < threads; ++i) {
    finished[i] = false;
    getcontext(&fibers[i]);
    fibers[i].uc_stack.ss_sp = stacks[i];
    fibers[i].uc_stack.ss_size = STACK_BYTES;
    fibers[i].uc_link = &scheduler;
    makecontext(&fibers[i], fiber, 0);
  }
  for (int done = 0; done == 0;) {
    for (int i = 0; i < threads; ++i) {
      running = reverse ? threads - 1 - i : i;
      thread_index = {unsigned(running), 0, 0};
      swapcontext(&scheduler, &fibers[running]);
      done += finished[running];
    }
    if (done != 0 && done != threads) report("a barrier that not all threads reach", size_t(done), size_t(threads));
  }
}

const char* run(void (*kernel)(), const int* groups, int threads, bool reverse, unsigned char* written, size_t size) {
  fault[0] = 0;
  body = kernel;
  group_count = {unsigned(groups[0]), unsigned(groups[1]), unsigned(groups[2])};
  for (group_index.z = 0; group_index.z < group_count.z; ++group_index.z)
    for (group_index.y = 0; group_index.y < group_count.y; ++group_index.y)
      for (group_index.x = 0; group_index.x < group_count.x; ++group_index.x) run_group(threads, reverse);
  for (size_t i = 0; i < size; ++i)
    if (!written[i]) report("never written", i, size);
  return fault;
}

}  // namespace shim

#define SHIM_SHARED static __attribute__((section("shared")))

#ifdef CUDA

#define __shared__ SHIM_SHARED
#define __syncthreads() shim::barrier()
#define threadIdx shim::thread_index
#define blockIdx shim::group_index
#define gridDim shim::group_count
inline float4 make_float4(float x, float y, float z, float w) { return {x, y, z, w}; }

#else

namespace metal {
enum class mem_flags { mem_none, mem_device, mem_threadgroup };
inline void threadgroup_barrier(mem_flags flags) {
  if (flags == mem_flags::mem_threadgroup) shim::barrier();  // any other leaves shared memory out of step
}
inline float fma(float x, float y, float sum) { return fmaf(x, y, sum); }
}  // namespace metal

#define threadgroup SHIM_SHARED
#define thread_position_in_threadgroup shim::thread_index
#define threadgroup_position_in_grid shim::group_index
#define threadgroups_per_grid shim::group_count
#define float4(x, y, z, w) float4({x, y, z, w})
// Reserved in Metal: no variable may have these names.
#define thread 0
#define device 0
#define constant 0
#define kernel 0

#endif
