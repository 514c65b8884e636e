// SPDX-License-Identifier: Apache-2.0
// Transcendental functions of float vectors by polynomials: exp and log and tanh are Cephes' (Moshier), erf is Juffa's;
// all within 2 units in the last place of results that are not tiny. The same bits on every instruction set.
#pragma once

#include "runtime/native/isa/epilogue.h"

namespace {

using edgesmith::runtime::native::Unary;

constexpr float kInfinity = __builtin_inff();

// c[0] * x^(N-1) + ... + c[N-1].
template <int N>
inline Vec polynomial(Vec x, const float (&c)[N]) {
  Vec out = set1(c[0]);
#pragma GCC unroll 16
  for (int i = 1; i < N; ++i) out = fmadd(out, x, set1(c[i]));
  return out;
}

// e^x = 2^n * e^r with |r| <= ln(2) / 2. Results under 2^-126 lose digits, as denormal numbers do.
inline Vec exp_of(Vec x) {
  x = min(set1(89.0F), max(set1(-104.0F), x));  // infinity and 0; not-a-number passes
  const Vec n = round_even(mul(x, set1(1.44269504F)));
  const Vec r = fmadd(n, set1(2.12194440e-4F), fmadd(n, set1(-0.693359375F), x));
  constexpr float kExp[] = {1.9875691500e-4F, 1.3981999507e-3F, 8.3334519073e-3F,
                            4.1665795894e-2F, 1.6666665459e-1F, 5.0000001201e-1F};
  const Vec p = add(fmadd(mul(r, r), polynomial(r, kExp), r), set1(1));
  const Vec half = round_even(mul(n, set1(0.5F)));  // in two steps, since 2^n itself may be no normal number
  return mul(mul(p, power_of_two(half)), power_of_two(sub(n, half)));
}

// The natural logarithm.
inline Vec log_of(Vec x) {
  constexpr float kSmallestNormal = 1.17549435e-38F, kSmallest = 1.40129846e-45F;
  const Vec tiny = set1(kSmallestNormal);
  const Vec normal = select_less(x, tiny, mul(x, set1(16777216.0F)), x);
  Vec m = mantissa_of(normal), e = add(exponent_of(normal), select_less(x, tiny, set1(-24), set1(0)));
  const Vec root = set1(1.41421356F);
  e = select_less(root, m, add(e, set1(1)), e);
  m = select_less(root, m, mul(m, set1(0.5F)), m);
  const Vec f = sub(m, set1(1)), z = mul(f, f);
  constexpr float kLog[] = {7.0376836292e-2F,  -1.1514610310e-1F, 1.1676998740e-1F,
                            -1.2420140846e-1F, 1.4249322787e-1F,  -1.6668057665e-1F,
                            2.0000714765e-1F,  -2.4999993993e-1F, 3.3333331174e-1F};
  Vec y = fmadd(e, set1(-2.12194440e-4F), mul(mul(polynomial(f, kLog), f), z));
  y = fmadd(set1(-0.5F), z, y);
  y = fmadd(e, set1(0.693359375F), add(f, y));
  const Vec none = select_less(x, set1(0), set1(__builtin_nanf("")), set1(-kInfinity));
  return select_less(x, set1(kInfinity), select_less(x, set1(kSmallest), none, y), x);  // not-a-number passes
}

inline Vec with_sign_of(Vec magnitude, Vec x) { return select_less(x, set1(0), mul(magnitude, set1(-1)), magnitude); }
inline Vec magnitude_of(Vec x) { return max(x, mul(x, set1(-1))); }

inline Vec tanh_of(Vec x) {
  const Vec z = magnitude_of(x), s = mul(x, x);
  constexpr float kTanh[] = {-5.70498872745e-3F, 2.06390887954e-2F, -5.37397155531e-2F, 1.33314422036e-1F,
                             -3.33332819422e-1F};
  const Vec small = fmadd(mul(polynomial(s, kTanh), s), x, x);
  const Vec large = sub(set1(1), div(set1(2), add(exp_of(add(z, z)), set1(1))));
  return select_less(z, set1(0.625F), small, with_sign_of(large, x));
}

inline Vec sigmoid_of(Vec x) { return div(set1(1), add(set1(1), exp_of(mul(x, set1(-1))))); }

inline Vec erf_of(Vec x) {
  const Vec t = magnitude_of(x), s = mul(x, x);
  constexpr float kSmall[] = {-5.96761703e-4F, 4.99119423e-3F,  -2.67681349e-2F,
                              1.12819925e-1F,  -3.76125336e-1F, 1.28379166e-1F};
  const Vec small = fmadd(polynomial(s, kSmall), x, x);
  // Beyond 6 the result is 1, and the polynomial no longer means anything.
  const Vec c = min(set1(6), t);
  constexpr float kLow[] = {-1.72853470e-5F, 3.83197126e-4F}, kHigh[] = {-3.88396438e-3F, 2.42546219e-2F};
  Vec r = fmadd(polynomial(c, kLow), mul(c, c), polynomial(c, kHigh));
  r = fmadd(r, c, set1(-1.06777877e-1F));
  r = fmadd(r, c, set1(-6.34846687e-1F));
  r = fmadd(r, c, set1(-1.28717512e-1F));
  r = fmadd(r, c, mul(c, set1(-1)));
  const Vec large = with_sign_of(sub(set1(1), exp_of(r)), x);
  return select_less(set1(0.927734375F), t, large, small);
}

inline Vec gelu_of(Vec x) { return mul(mul(set1(0.5F), x), add(set1(1), erf_of(mul(x, set1(0.70710678F))))); }
inline Vec gelu_by_tanh(Vec x) {
  const Vec cube = mul(mul(mul(set1(0.044715F), x), x), x);
  return mul(mul(set1(0.5F), x), add(set1(1), tanh_of(mul(set1(0.79788456F), add(x, cube)))));
}

void unary(Unary op, const float* in, float alpha, float* out, int64_t count, const Epilogue& epilogue) {
  const VecEpilogue finish(epilogue);
  const auto run = [&](auto f) {
    for_vectors(count, [&](int64_t i, int n) { store_upto(out + i, finish(f(load_upto(in + i, n))), n); });
  };
  switch (op) {
    case Unary::exp: return run([](Vec x) { return exp_of(x); });
    case Unary::sigmoid: return run([](Vec x) { return sigmoid_of(x); });
    case Unary::tanh: return run([](Vec x) { return tanh_of(x); });
    case Unary::erf: return run([](Vec x) { return erf_of(x); });
    case Unary::gelu: return run([](Vec x) { return gelu_of(x); });
    case Unary::gelu_by_tanh: return run([](Vec x) { return gelu_by_tanh(x); });
    case Unary::square_root: return run([](Vec x) { return square_root(x); });
    case Unary::square: return run([](Vec x) { return mul(x, x); });
    case Unary::reciprocal: return run([](Vec x) { return div(set1(1), x); });
    case Unary::scale: return run([&](Vec x) { return mul(x, set1(alpha)); });
    case Unary::magnitude: return run([](Vec x) { return magnitude_of(x); });
    case Unary::elu:
      return run([&](Vec x) { return select_less(x, set1(0), mul(set1(alpha), sub(exp_of(x), set1(1))), x); });
    case Unary::log: return run([](Vec x) { return log_of(x); });
  }
}

}  // namespace
