// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "runtime/native/isa/epilogue.h"

namespace {

using edgesmith::runtime::native::Binary;

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

void binary(Binary op, const float* a, int a_step, const float* b, int b_step, float* out, int64_t count,
            const Epilogue& epilogue) {
  const VecEpilogue finish(epilogue);
  const auto run = [&](auto f) { run_binary(f, a, a_step, b, b_step, out, count, finish); };
  switch (op) {
    case Binary::add: return run([](Vec x, Vec y) { return add(x, y); });
    case Binary::sub: return run([](Vec x, Vec y) { return sub(x, y); });
    case Binary::mul: return run([](Vec x, Vec y) { return mul(x, y); });
    case Binary::div: return run([](Vec x, Vec y) { return div(x, y); });
  }
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

}  // namespace
