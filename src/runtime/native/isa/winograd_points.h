// SPDX-License-Identifier: Apache-2.0
// The one-dimensional transforms of Winograd's F(4, 3) and F(4, 5), by which native/isa/winograd.h makes tiles of 4x4
// outputs of 3x3 and 5x5 kernels: polynomials by their values at 0, 1, -1, 2, -2, for 5 taps also at 1/2 and -1/2, and
// at infinity (Toom and Cook; Winograd, "Arithmetic Complexity of Computations", 1980). The outputs are
// A^T ((G taps) * (B^T inputs)).
//
// Every function reads numbers `step` vectors apart and writes numbers `out_step` apart.
#pragma once

#include "runtime/native/isa/vec.h"

namespace {

template <int kTaps>
struct WinogradPoints;

template <>
struct WinogradPoints<3> {
  static constexpr int kCount = 6;

  // B^T: six numbers to six.
  static inline void input(const Vec* d, int step, Vec* out, int out_step) {
    const Vec four = set1(4), minus_four = set1(-4), minus_five = set1(-5), two = set1(2);
    const Vec d0 = d[0], d1 = d[step], d2 = d[2 * step], d3 = d[3 * step], d4 = d[4 * step], d5 = d[5 * step];
    const Vec a = fmadd(minus_four, d2, d4), b = fmadd(minus_four, d1, d3);
    const Vec c = sub(d4, d2), e = mul(two, sub(d3, d1));
    out[0] = fmadd(four, d0, fmadd(minus_five, d2, d4));
    out[out_step] = add(a, b);
    out[2 * out_step] = sub(a, b);
    out[3 * out_step] = add(c, e);
    out[4 * out_step] = sub(c, e);
    out[5 * out_step] = fmadd(four, d1, fmadd(minus_five, d3, d5));
  }

  // B: six numbers to six.
  static inline void image(const Vec* p, int step, Vec* out, int out_step) {
    const Vec s1 = add(p[step], p[2 * step]), d1 = sub(p[step], p[2 * step]);
    const Vec s2 = add(p[3 * step], p[4 * step]), d2 = sub(p[3 * step], p[4 * step]);
    const Vec first = p[0], last = p[5 * step], two = set1(2), four = set1(4), minus_five = set1(-5);
    out[0] = mul(four, first);
    out[out_step] = fmadd(four, sub(last, d1), mul(set1(-2), d2));
    out[2 * out_step] = fmadd(minus_five, first, sub(mul(set1(-4), s1), s2));
    out[3 * out_step] = fmadd(minus_five, last, fmadd(two, d2, d1));
    out[4 * out_step] = add(first, add(s1, s2));
    out[5 * out_step] = last;
  }

  // A^T: six numbers to four.
  static inline void output(const Vec* m, int step, Vec* out, int out_step) {
    const Vec two = set1(2), four = set1(4), eight = set1(8);
    const Vec s1 = add(m[step], m[2 * step]), d1 = sub(m[step], m[2 * step]);
    const Vec s2 = add(m[3 * step], m[4 * step]), d2 = sub(m[3 * step], m[4 * step]);
    out[0] = add(add(m[0], s1), s2);
    out[out_step] = fmadd(two, d2, d1);
    out[2 * out_step] = fmadd(four, s2, s1);
    out[3 * out_step] = add(fmadd(eight, d2, d1), m[5 * step]);
  }

  // G: three numbers to six.
  static inline void taps(const Vec* g, int step, Vec* out, int out_step) {
    const Vec a = g[0], b = g[step], c = g[2 * step];
    const Vec sum = add(a, c), minus_sixth = set1(-1.0F / 6);
    const Vec even = fmadd(a, set1(1.0F / 24), mul(c, set1(1.0F / 6))), odd = mul(b, set1(1.0F / 12));
    out[0] = mul(a, set1(0.25F));
    out[out_step] = mul(add(sum, b), minus_sixth);
    out[2 * out_step] = mul(sub(sum, b), minus_sixth);
    out[3 * out_step] = add(even, odd);
    out[4 * out_step] = sub(even, odd);
    out[5 * out_step] = c;
  }

  // A: four numbers to six.
  static inline void spread(const Vec* d, int step, Vec* out, int out_step) {
    const Vec two = set1(2), four = set1(4);
    const Vec even = add(d[0], d[2 * step]), odd = add(d[step], d[3 * step]);
    const Vec even_twice = fmadd(four, d[2 * step], d[0]);
    const Vec odd_twice = mul(two, fmadd(four, d[3 * step], d[step]));
    out[0] = d[0];
    out[out_step] = add(even, odd);
    out[2 * out_step] = sub(even, odd);
    out[3 * out_step] = add(even_twice, odd_twice);
    out[4 * out_step] = sub(even_twice, odd_twice);
    out[5 * out_step] = d[3 * step];
  }

  // G^T: six numbers to three.
  static inline void gather(const Vec* s, int step, Vec* out, int out_step) {
    const Vec near = add(s[step], s[2 * step]), far = add(s[3 * step], s[4 * step]);
    const Vec near_apart = sub(s[2 * step], s[step]), far_apart = sub(s[3 * step], s[4 * step]);
    const Vec sixth = set1(1.0F / 6);
    out[0] = fmadd(far, set1(1.0F / 24), fmadd(near, set1(-1.0F / 6), mul(s[0], set1(0.25F))));
    out[out_step] = fmadd(far_apart, set1(1.0F / 12), mul(near_apart, sixth));
    out[2 * out_step] = fmadd(sub(far, near), sixth, s[5 * step]);
  }
};

template <>
struct WinogradPoints<5> {
  static constexpr int kCount = 8;

  // B^T: eight numbers to eight.
  static inline void input(const Vec* d, int step, Vec* out, int out_step) {
    const Vec d0 = d[0], d1 = d[step], d2 = d[2 * step], d3 = d[3 * step];
    const Vec d4 = d[4 * step], d5 = d[5 * step], d6 = d[6 * step], d7 = d[7 * step];
    const Vec most = set1(5.25F), near = set1(-4.25F), two = set1(2), half = set1(0.5F);
    const Vec even = fmadd(near, d4, add(d2, d6)), odd = fmadd(near, d3, add(d1, d5));
    const Vec quarter = set1(0.25F), far = set1(-1.25F), four = set1(4), minus_five = set1(-5);
    const Vec even_twice = fmadd(quarter, d2, fmadd(far, d4, d6)), odd_twice = fmadd(quarter, d1, fmadd(far, d3, d5));
    const Vec even_half = fmadd(four, d2, fmadd(minus_five, d4, d6));
    const Vec odd_half = fmadd(four, d1, fmadd(minus_five, d3, d5));
    const Vec minus_two = set1(-2), minus_half = set1(-0.5F);
    out[0] = fmadd(most, sub(d4, d2), sub(d0, d6));
    out[out_step] = add(even, odd);
    out[2 * out_step] = sub(even, odd);
    out[3 * out_step] = fmadd(two, odd_twice, even_twice);
    out[4 * out_step] = fmadd(minus_two, odd_twice, even_twice);
    out[5 * out_step] = fmadd(half, odd_half, even_half);
    out[6 * out_step] = fmadd(minus_half, odd_half, even_half);
    out[7 * out_step] = fmadd(most, sub(d3, d5), sub(d7, d1));
  }

  // B: eight numbers to eight.
  static inline void image(const Vec* p, int step, Vec* out, int out_step) {
    const Vec s1 = add(p[step], p[2 * step]), d1 = sub(p[step], p[2 * step]);
    const Vec s2 = add(p[3 * step], p[4 * step]), d2 = sub(p[3 * step], p[4 * step]);
    const Vec s3 = add(p[5 * step], p[6 * step]), d3 = sub(p[5 * step], p[6 * step]);
    const Vec first = p[0], last = p[7 * step], most = set1(5.25F), minus_most = set1(-5.25F), near = set1(-4.25F);
    const Vec two = set1(2), half = set1(0.5F);
    out[0] = first;
    out[out_step] = fmadd(half, d2, fmadd(two, d3, sub(d1, last)));
    out[2 * out_step] = fmadd(set1(0.25F), s2, fmadd(set1(4), s3, fmadd(minus_most, first, s1)));
    out[3 * out_step] = fmadd(near, d1, fmadd(set1(-2.5F), add(d2, d3), mul(most, last)));
    out[4 * out_step] = fmadd(near, s1, fmadd(set1(-1.25F), s2, fmadd(set1(-5), s3, mul(most, first))));
    out[5 * out_step] = fmadd(two, d2, fmadd(half, d3, fmadd(minus_most, last, d1)));
    out[6 * out_step] = add(s3, add(s2, sub(s1, first)));
    out[7 * out_step] = last;
  }

  // A^T: eight numbers to four.
  static inline void output(const Vec* m, int step, Vec* out, int out_step) {
    const Vec s1 = add(m[step], m[2 * step]), d1 = sub(m[step], m[2 * step]);
    const Vec s2 = add(m[3 * step], m[4 * step]), d2 = sub(m[3 * step], m[4 * step]);
    const Vec s3 = add(m[5 * step], m[6 * step]), d3 = sub(m[5 * step], m[6 * step]);
    out[0] = add(add(m[0], s1), add(s2, s3));
    out[out_step] = fmadd(set1(0.5F), d3, fmadd(set1(2), d2, d1));
    out[2 * out_step] = fmadd(set1(0.25F), s3, fmadd(set1(4), s2, s1));
    out[3 * out_step] = fmadd(set1(0.125F), d3, fmadd(set1(8), d2, add(d1, m[7 * step])));
  }

  // G: five numbers to eight.
  static inline void taps(const Vec* g, int step, Vec* out, int out_step) {
    const Vec a = g[0], b = g[step], c = g[2 * step], d = g[3 * step], e = g[4 * step];
    const Vec four = set1(4), quarter = set1(0.25F), near = set1(-2.0F / 9), twice = set1(1.0F / 90);
    const Vec half = set1(32.0F / 45), odd_twice = set1(2.0F / 90), odd_half = set1(16.0F / 45);
    const Vec even = mul(add(add(a, e), c), near), odd = mul(add(b, d), near);
    const Vec even2 = mul(fmadd(four, fmadd(four, e, c), a), twice), odd2 = mul(fmadd(four, d, b), odd_twice);
    const Vec even3 = mul(fmadd(quarter, fmadd(quarter, e, c), a), half), odd3 = mul(fmadd(quarter, d, b), odd_half);
    out[0] = a;
    out[out_step] = add(even, odd);
    out[2 * out_step] = sub(even, odd);
    out[3 * out_step] = add(even2, odd2);
    out[4 * out_step] = sub(even2, odd2);
    out[5 * out_step] = add(even3, odd3);
    out[6 * out_step] = sub(even3, odd3);
    out[7 * out_step] = e;
  }

  // A: four numbers to eight.
  static inline void spread(const Vec* d, int step, Vec* out, int out_step) {
    const Vec d0 = d[0], d1 = d[step], d2 = d[2 * step], d3 = d[3 * step];
    const Vec four = set1(4), quarter = set1(0.25F);
    const Vec even = add(d0, d2), odd = add(d1, d3);
    const Vec even_twice = fmadd(four, d2, d0), odd_twice = fmadd(four, d3, d1);
    const Vec even_half = fmadd(quarter, d2, d0), odd_half = fmadd(quarter, d3, d1);
    out[0] = d0;
    out[out_step] = add(even, odd);
    out[2 * out_step] = sub(even, odd);
    out[3 * out_step] = fmadd(set1(2), odd_twice, even_twice);
    out[4 * out_step] = fmadd(set1(-2), odd_twice, even_twice);
    out[5 * out_step] = fmadd(set1(0.5F), odd_half, even_half);
    out[6 * out_step] = fmadd(set1(-0.5F), odd_half, even_half);
    out[7 * out_step] = d3;
  }

  // G^T: eight numbers to five.
  static inline void gather(const Vec* s, int step, Vec* out, int out_step) {
    const Vec near = set1(-2.0F / 9), twice = set1(1.0F / 90), half = set1(32.0F / 45);
    const Vec p1 = mul(near, add(s[step], s[2 * step])), q1 = mul(near, sub(s[step], s[2 * step]));
    const Vec p2 = mul(twice, add(s[3 * step], s[4 * step])), q2 = mul(twice, sub(s[3 * step], s[4 * step]));
    const Vec p3 = mul(half, add(s[5 * step], s[6 * step])), q3 = mul(half, sub(s[5 * step], s[6 * step]));
    out[0] = add(add(s[0], p1), add(p2, p3));
    out[out_step] = fmadd(set1(0.5F), q3, fmadd(set1(2), q2, q1));
    out[2 * out_step] = fmadd(set1(0.25F), p3, fmadd(set1(4), p2, p1));
    out[3 * out_step] = fmadd(set1(0.125F), q3, fmadd(set1(8), q2, q1));
    out[4 * out_step] = fmadd(set1(0.0625F), p3, fmadd(set1(16), p2, add(p1, s[7 * step])));
  }
};

}  // namespace
