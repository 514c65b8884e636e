// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "runtime/native/isa/epilogue.h"

namespace {

using edgesmith::runtime::native::Binary;
using edgesmith::runtime::native::Comparison;

template <typename Op>
inline void run_binary(Op op, const float* a, int a_step, const float* b, int b_step, float* out, int64_t count,
                       const VecEpilogue& finish) {
  const auto operand = [](const float* p, int step, int64_t i, int n) {
    return step == 0 ? set1(*p) : load_upto(p + i, n);
  };
  for_vectors(count, [&](int64_t i, int n) {
    store_upto(out + i, finish(op(operand(a, a_step, i, n), operand(b, b_step, i, n))), n);
  });
}

// max() and min() pass on the second operand when the first is not a number; these pass on what is none.
inline Vec either_or_max(Vec a, Vec b) {
  const Vec top = set1(__builtin_inff());
  return select_less(a, top, max(a, b), select_less(b, top, a, add(a, b)));
}
inline Vec either_or_min(Vec a, Vec b) {
  const Vec bottom = set1(-__builtin_inff());
  return select_less(bottom, a, min(a, b), select_less(bottom, b, a, add(a, b)));
}

void binary(Binary op, const float* a, int a_step, const float* b, int b_step, float* out, int64_t count,
            const Epilogue& epilogue) {
  const VecEpilogue finish(epilogue);
  const auto run = [&](auto f) { run_binary(f, a, a_step, b, b_step, out, count, finish); };
  switch (op) {
    case Binary::add: return run([](Vec x, Vec y) { return add(x, y); });
    case Binary::sub: return run([](Vec x, Vec y) { return sub(x, y); });
    case Binary::mul: return run([](Vec x, Vec y) { return mul(x, y); });
    case Binary::div: return run([](Vec x, Vec y) { return div(x, y); });
    case Binary::max: return run([](Vec x, Vec y) { return either_or_max(x, y); });
    case Binary::min: return run([](Vec x, Vec y) { return either_or_min(x, y); });
  }
}

// Calls f(operand a, operand b), each called with an index; written so that the compiler makes vectors of loops over
// them.
template <typename F>
inline void with_steps(const float* a, int a_step, const float* b, int b_step, F f) {
  const float one_a = *a, one_b = *b;
  const auto all_a = [a](int64_t i) { return a[i]; };
  const auto all_b = [b](int64_t i) { return b[i]; };
  const auto same_a = [one_a](int64_t) { return one_a; };
  const auto same_b = [one_b](int64_t) { return one_b; };
  if (a_step == 0) return b_step == 0 ? f(same_a, same_b) : f(same_a, all_b);
  b_step == 0 ? f(all_a, same_b) : f(all_a, all_b);
}

void compare(Comparison op, const float* a, int a_step, const float* b, int b_step, uint8_t* __restrict out,
             int64_t count) {
  if (count == 0) return;
  const auto run = [&](auto test) {
    with_steps(a, a_step, b, b_step, [&](auto left, auto right) {
      for (int64_t i = 0; i < count; ++i) out[i] = test(left(i), right(i)) ? 1 : 0;
    });
  };
  switch (op) {
    case Comparison::greater: return run([](float x, float y) { return x > y; });
    case Comparison::greater_or_equal: return run([](float x, float y) { return x >= y; });
    case Comparison::less: return run([](float x, float y) { return x < y; });
    case Comparison::less_or_equal: return run([](float x, float y) { return x <= y; });
    case Comparison::equal: return run([](float x, float y) { return x == y; });
  }
}

void select_by_mask(const uint8_t* mask, const float* a, int a_step, const float* b, int b_step, float* __restrict out,
                    int64_t count) {
  if (count == 0) return;
  with_steps(a, a_step, b, b_step, [&](auto left, auto right) {
    for (int64_t i = 0; i < count; ++i) {
      const float x = left(i), y = right(i);
      out[i] = mask[i] != 0 ? x : y;
    }
  });
}

void scale_shift(const float* in, float scale, float shift, float* out, int64_t count, const Epilogue& epilogue) {
  const VecEpilogue finish(epilogue);
  const Vec factor = set1(scale), offset = set1(shift);
  for_vectors(count,
              [&](int64_t i, int n) { store_upto(out + i, finish(fmadd(load_upto(in + i, n), factor, offset)), n); });
}

void leaky_relu(const float* in, float slope, float* out, int64_t count) {
  for (int64_t i = 0; i < count; ++i) out[i] = in[i] < 0 ? in[i] * slope : in[i];
}

void hard_sigmoid(const float* in, float alpha, float beta, bool swish, float* out, int64_t count) {
  const Vec zero = set1(0), one = set1(1), factor = set1(alpha), offset = set1(beta);
  for_vectors(count, [&](int64_t i, int n) {
    const Vec x = load_upto(in + i, n);
    const Vec gate = max(zero, min(one, add(mul(x, factor), offset)));
    store_upto(out + i, swish ? mul(x, gate) : gate, n);
  });
}

void max_into(const float* in, float* acc, int64_t count) {
  for_vectors(count, [&](int64_t i, int n) {
    store_upto(acc + i, max(load_upto(in + i, n), load_upto(acc + i, n)), n);  // not-a-number loses
  });
}

void add_into(const float* in, float* acc, int64_t count) {
  for_vectors(count,
              [&](int64_t i, int n) { store_upto(acc + i, add(load_upto(acc + i, n), load_upto(in + i, n)), n); });
}

void gate(const float* gate, const float* in, float* out, int64_t count) {
  const Vec zero = set1(0);
  for_vectors(count, [&](int64_t i, int n) {
    store_upto(out + i, select_less(zero, load_upto(gate + i, n), load_upto(in + i, n), zero), n);
  });
}

}  // namespace
