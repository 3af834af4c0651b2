// Runs the groups of a GPU kernel on the CPU, one group after another, and reports what a GPU would let pass.
//
// A thread of a group is a fiber that runs from barrier to barrier, in order or in reverse, while the others stand still. So a
// missing barrier is no matter of luck: the first fiber finds its neighbours' share of a tile not written yet (it is poisoned
// with NaN), or overwrites what they have not read yet. Shuffles and ballots stop the 32 threads of a warp likewise, until all of
// them have come to the same one. Arrays check every index, wide loads their alignment too, and that each result is written once.
//
// Before this file METAL or CUDA is defined; after it come the kernels as MLX would put them together.

#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>

// In place of <math.h>, which takes longer to compile than all the rest.
extern "C" float fmaf(float x, float y, float sum);
extern "C" float fminf(float x, float y);
extern "C" float fmaxf(float x, float y);
extern "C" float sqrtf(float x);

// The linker gives the bounds of a section: shared memory is poisoned before each group.
extern char __start_shared[] __attribute__((visibility("hidden")));
extern char __stop_shared[] __attribute__((visibility("hidden")));
#define SHIM_SHARED static __attribute__((section("shared")))
// So that there is one.
SHIM_SHARED __attribute__((used)) char shim_some_shared;

struct uint3 {
  unsigned x, y, z;
};

struct alignas(16) uint4 {
  unsigned x, y, z, w;
};

struct alignas(16) float4 {
  float x, y, z, w;
};

struct half {
  uint16_t bits;

  half() = default;

  // To the nearest, of two the even one.
  explicit half(float x) {
    uint32_t wide;
    memcpy(&wide, &x, 4);
    const uint16_t sign = uint16_t(wide >> 16 & 0x8000);
    wide &= 0x7fffffff;
    float magnitude;
    memcpy(&magnitude, &wide, 4);
    if (wide > 0x7f800000) bits = 0x7e00;  // NaN
    else if (magnitude >= 65520.0f) bits = 0x7c00;  // infinity
    else if (magnitude < 0x1p-14f) bits = uint16_t(int((magnitude + 0.5f) * 0x1p24f) - (1 << 23));  // the sum rounds to 2**-24
    else bits = uint16_t((wide + 0xfff + (wide >> 13 & 1) - (112u << 23)) >> 13);
    bits = uint16_t(bits | sign);
  }

  // Shifted into a float32's place, a float16 is its value by 2**-112, subnormal or not.
  explicit operator float() const {
    uint32_t wide = uint32_t(bits & 0x7fff) << 13;
    if (wide >= 0x0f800000) wide |= 0x7f800000;  // infinity or NaN
    float magnitude;
    memcpy(&magnitude, &wide, 4);
    if (wide < 0x7f800000) magnitude *= 0x1p112f;
    return bits >> 15 ? -magnitude : magnitude;
  }
};

struct half2 {
  half x, y;
};

struct float2 {
  float x, y;
  explicit float2(half2 from) : x(float(from.x)), y(float(from.y)) {}
};

namespace shim {

constexpr size_t STACK_BYTES = 64 << 10;
constexpr int MAX_THREADS = 1024, WARP = 32;

char fault[200];  // the first thing found wrong, in words

void report(const char* what, size_t index, size_t size) {
  if (!fault[0]) snprintf(fault, sizeof fault, "%s: index %zu, size %zu", what, index, size);
}

template <class T>
const T& poison() {
  static T value;
  memset(&value, 0xff, sizeof value);
  return value;
}

// A place in an input, to be read from as a wider type: a copy, so that the place in memory need not be aligned here.
template <class T>
struct Place {
  const T* data;
  size_t size, at;

  template <class Wide>
  operator const Wide*() const {
    static Wide read;
    constexpr size_t count = sizeof(Wide) / sizeof(T);
    if (at % count) report("wide read off its alignment", at, size);
    if (at + count > size) {
      report("read out of bounds", at, size);
      return &poison<Wide>();
    }
    memcpy(&read, data + at, sizeof read);
    return &read;
  }
};

template <class T>
struct Input {
  const T* data;
  size_t size;

  const T& operator[](size_t index) const {
    if (index < size) return data[index];
    report("read out of bounds", index, size);
    return poison<T>();
  }
  Place<T> operator+(size_t at) const { return {data, size, at}; }
  explicit operator size_t() const { return 0; }  // its address, as aligned as MLX's arrays are
};

template <class T>
struct Output {
  T* data;
  unsigned char* written;
  size_t size;

  T& operator[](size_t index) const {
    static T nowhere;
    if (index >= size) {
      report("written out of bounds", index, size);
      return nowhere;
    }
    if (written[index]++) report("written twice", index, size);
    return data[index];
  }
  void check() const {
    for (size_t i = 0; i < size; ++i)
      if (!written[i]) report("never written", i, size);
  }
};

enum class Stop { barrier, together, finished };

uint3 thread_index, group_index, group_count;
jmp_buf fibers[MAX_THREADS], scheduler;  // setjmp and longjmp switch without a system call, unlike swapcontext
bool started[MAX_THREADS];
Stop stops[MAX_THREADS];
int operations[MAX_THREADS];         // what each thread does together with its warp
unsigned given[2][MAX_THREADS];      // and gives to it; two in turn, for a thread may reach the next before others have read
int turns[MAX_THREADS];
char stacks[MAX_THREADS][STACK_BYTES];
int running, threads_running;
void (*body)();

void stop(Stop why) {
  stops[running] = why;
  if (!_setjmp(fibers[running])) _longjmp(scheduler, 1);
}

void barrier() { stop(Stop::barrier); }

// Gives `bits` to the warp and waits for the others; returns what all gave, in order of threads.
const unsigned* together(int operation, unsigned bits) {
  unsigned* all = given[turns[running] ^= 1];
  all[running] = bits;
  operations[running] = operation;
  stop(Stop::together);
  return all;
}

template <class T>
T taken(const unsigned* all, int from) {
  T value;
  static_assert(sizeof value == 4, "shuffles are of 32 bits");
  if (from < threads_running) memcpy(&value, all + from, 4);
  else value = poison<T>();
  return value;
}

template <class T>
unsigned bits_of(T value) {
  unsigned bits;
  static_assert(sizeof value == 4, "shuffles are of 32 bits");
  memcpy(&bits, &value, 4);
  return bits;
}

template <class T>
T shuffle_xor(T value, int mask) {
  const unsigned* all = together(mask, bits_of(value));
  return taken<T>(all, running ^ mask);
}

// Of the first `by` threads of a warp CUDA gives their own value, Metal none that is defined.
template <class T>
T shuffle_up(T value, int by, bool own) {
  const unsigned* all = together(WARP + by, bits_of(value));
  if (running % WARP >= by) return taken<T>(all, running - by);
  return own ? value : poison<T>();
}

unsigned ballot(bool is) {
  const unsigned* all = together(2 * WARP, is);
  unsigned bits = 0;
  const int first = running / WARP * WARP;
  for (int i = 0; i < WARP && first + i < threads_running; ++i) bits |= all[first + i] << i;
  return bits;
}

// Serves group after group.
void fiber() {
  for (;;) {
    body();
    stop(Stop::finished);
  }
}

void resume(int thread) {
  running = thread;
  thread_index = {unsigned(thread), 0, 0};
  if (_setjmp(scheduler)) return;
  if (started[thread]) _longjmp(fibers[thread], 1);
  started[thread] = true;
  ucontext_t start;
  getcontext(&start);
  start.uc_stack.ss_sp = stacks[thread];
  start.uc_stack.ss_size = STACK_BYTES;
  makecontext(&start, fiber, 0);
  setcontext(&start);
}

// Runs a warp until all of its threads are at a barrier or have finished. False if they are out of step.
bool run_warp(int first, int end, bool reverse) {
  for (;;) {
    int waiting = 0;
    for (int i = first; i < end; ++i) {
      const int thread = reverse ? end - 1 - (i - first) : i;
      resume(thread);
      waiting += stops[thread] == Stop::together;
    }
    if (!waiting) return true;
    for (int i = first; i < end; ++i) waiting -= stops[i] == Stop::together && operations[i] == operations[first];
    if (waiting || stops[first] != Stop::together || stops[end - 1] != Stop::together) break;
    for (int i = first; i < end; ++i) waiting += stops[i] != Stop::together;
    if (waiting) break;
  }
  report("a shuffle that not all threads of a warp reach", size_t(first), size_t(end));
  return false;
}

void run_group(int threads, bool reverse) {
  memset(__start_shared, 0xff, size_t(__stop_shared - __start_shared));
  threads_running = threads;
  const int warps = (threads + WARP - 1) / WARP;
  for (int done = 0; done == 0;) {
    for (int i = 0; i < warps; ++i) {
      const int first = (reverse ? warps - 1 - i : i) * WARP;
      if (!run_warp(first, first + WARP < threads ? first + WARP : threads, reverse)) return;
    }
    for (int i = 0; i < threads; ++i) done += stops[i] == Stop::finished;
    if (done != 0 && done != threads) report("a barrier that not all threads reach", size_t(done), size_t(threads));
  }
}

const char* run(void (*kernel)(), const int* groups, int threads, bool reverse) {
  fault[0] = 0;
  memset(started, 0, sizeof started);
  body = kernel;
  group_count = {unsigned(groups[0]), unsigned(groups[1]), unsigned(groups[2])};
  for (group_index.z = 0; group_index.z < group_count.z; ++group_index.z)
    for (group_index.y = 0; group_index.y < group_count.y; ++group_index.y)
      for (group_index.x = 0; group_index.x < group_count.x; ++group_index.x) {
        run_group(threads, reverse);
        if (fault[0]) memset(started, 0, sizeof started);  // fibers may stand anywhere: begin anew
      }
  return fault;
}

}  // namespace shim

#ifdef CUDA

using __half = half;
using __half2 = half2;
#define half 0  // CUDA has no such type
#define __shared__ SHIM_SHARED
#define __syncthreads() shim::barrier()
#define threadIdx shim::thread_index
#define blockIdx shim::group_index
#define gridDim shim::group_count
#define __shfl_xor_sync(lanes, value, mask) (static_assert_all<lanes>(), shim::shuffle_xor(value, mask))
#define __shfl_up_sync(lanes, value, by) (static_assert_all<lanes>(), shim::shuffle_up(value, by, true))
#define __ballot_sync(lanes, is) (static_assert_all<lanes>(), shim::ballot(is))
template <unsigned lanes>
void static_assert_all() {
  static_assert(lanes == 0xffffffffu, "all threads of a warp");
}
inline float4 make_float4(float x, float y, float z, float w) { return {x, y, z, w}; }
inline float __half2float(__half x) { return float(x); }
inline __half __float2half(float x) { return __half(x); }
inline float2 __half22float2(__half2 x) { return float2(x); }
inline unsigned __float_as_uint(float x) { return shim::bits_of(x); }
inline float __fmul_rn(float x, float y) { return x * y; }
inline float __uint_as_float(unsigned bits) { return shim::taken<float>(&bits, 0); }
inline int __popc(unsigned bits) { return __builtin_popcount(bits); }
inline void atomicAdd(unsigned* sum, unsigned x) { *sum += x; }
template <class T>
T __ldcs(const T* from) {
  return *from;
}

#else

namespace metal {
enum class mem_flags { mem_none, mem_device, mem_threadgroup };
inline void threadgroup_barrier(mem_flags flags) {
  if (flags == mem_flags::mem_threadgroup) shim::barrier();  // any other leaves shared memory out of step
}
inline float fma(float x, float y, float sum) { return fmaf(x, y, sum); }
inline float fmin(float x, float y) { return fminf(x, y); }
inline float fmax(float x, float y) { return fmaxf(x, y); }
inline float sqrt(float x) { return sqrtf(x); }
inline unsigned popcount(unsigned bits) { return unsigned(__builtin_popcount(bits)); }

template <class T>
T simd_shuffle_xor(T value, uint16_t mask) {
  return shim::shuffle_xor(value, mask);
}
template <class T>
T simd_shuffle_up(T value, uint16_t by) {
  return shim::shuffle_up(value, by, false);
}
struct simd_vote {
  using vote_t = uint64_t;
  vote_t all;
  explicit operator vote_t() const { return all; }
};
inline simd_vote simd_ballot(bool is) { return {shim::ballot(is)}; }

enum memory_order { memory_order_relaxed };
struct atomic_uint {
  unsigned value;
};
inline void atomic_fetch_add_explicit(atomic_uint* sum, unsigned x, memory_order) { sum->value += x; }
inline unsigned atomic_load_explicit(const atomic_uint* from, memory_order) { return from->value; }
inline void atomic_store_explicit(atomic_uint* to, unsigned x, memory_order) { to->value = x; }
}  // namespace metal

template <class T, class From>
T as_type(From from) {
  static_assert(sizeof(T) == sizeof(From), "as_type keeps the bits");
  T to;
  memcpy(&to, &from, sizeof to);
  return to;
}

#define threadgroup SHIM_SHARED
#define device
#define thread_position_in_threadgroup shim::thread_index
#define threadgroup_position_in_grid shim::group_index
#define threadgroups_per_grid shim::group_count
#define float4(x, y, z, w) float4({x, y, z, w})
// Reserved in Metal: no variable may have these names.
#define thread 0
#define constant 0
#define kernel 0

#endif
