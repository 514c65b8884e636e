// SPDX-License-Identifier: Apache-2.0
#include "ops/fourier.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <numbers>

namespace edgesmith::ops {
namespace {

constexpr size_t kMostRadix = 13;

// exp(i pi sign p / n)
Complex root_of_unity(uint64_t p, uint64_t n, double sign) {
  const double angle = sign * std::numbers::pi * static_cast<double>(p) / static_cast<double>(n);
  return {std::cos(angle), std::sin(angle)};
}

Complex times(const Complex& a, const Complex& b) {  // without the special cases of operator*
  return {a.real() * b.real() - a.imag() * b.imag(), a.real() * b.imag() + a.imag() * b.real()};
}

// The factors of a length, fours first; none when one is too large.
std::vector<size_t> factors_of(size_t length) {
  std::vector<size_t> factors;
  for (const size_t radix : {4, 2, 3, 5, 7, 11, 13}) {
    while (length % radix == 0) {
      factors.push_back(radix);
      length /= radix;
    }
  }
  return length == 1 ? factors : std::vector<size_t>();
}

}  // namespace

FourierPlan::FourierPlan(size_t length, bool inverse) : length_(length), sign_(inverse ? 1 : -1) {
  if (length <= 1) return;
  factors_ = factors_of(length);
  if (!factors_.empty()) {
    for (size_t k = 0; k < length; ++k) roots_.push_back(root_of_unity(2 * k, length, sign_));
    spare_.resize(length);
    return;
  }
  size_t padded = 1;
  while (padded < 2 * length - 1) padded *= 2;
  inner_ = std::make_unique<FourierPlan>(padded, false);
  kernel_.resize(padded);
  padded_.resize(padded);
  for (size_t k = 0; k < length; ++k) {
    chirp_.push_back(root_of_unity(static_cast<uint64_t>(k) * k % (2 * length), length, sign_));
    kernel_[k] = kernel_[(padded - k) % padded] = std::conj(chirp_[k]);
  }
  inner_->run(kernel_.data());
}

void FourierPlan::run(Complex* x) {
  if (inner_ != nullptr) return run_chirp(x);
  size_t left = length_, stride = 1;
  Complex *from = x, *to = spare_.data();
  for (const size_t radix : factors_) {
    run_radix(radix, left, stride, from, to);
    left /= radix;
    stride *= radix;
    std::swap(from, to);
  }
  if (from != x) std::copy_n(from, length_, x);
}

// One pass: `stride` transforms of `length` numbers become `stride` * radix of length / radix.
void FourierPlan::run_radix(size_t radix, size_t length, size_t stride, const Complex* from, Complex* to) const {
  const size_t part = length / radix;
  for (size_t q = 0; q < part; ++q) {
    std::array<Complex, kMostRadix> turns;  // exp(sign 2 pi i q u / length)
    for (size_t u = 0; u < radix; ++u) turns[u] = roots_[q * u * stride];
    const Complex* in = from + stride * q;
    Complex* out = to + stride * radix * q;
    const size_t step = stride * part;
    if (radix == 2) {
      for (size_t s = 0; s < stride; ++s) {
        const Complex a = in[s], b = in[s + step];
        out[s] = a + b;
        out[s + stride] = times(a - b, turns[1]);
      }
    } else if (radix == 4) {
      for (size_t s = 0; s < stride; ++s) {
        const Complex a = in[s], b = in[s + step], c = in[s + 2 * step], d = in[s + 3 * step];
        const Complex even = a + c, odd = b + d, low = a - c, difference = b - d;
        const Complex high(-sign_ * difference.imag(), sign_ * difference.real());  // sign i (b - d)
        out[s] = even + odd;
        out[s + stride] = times(low + high, turns[1]);
        out[s + 2 * stride] = times(even - odd, turns[2]);
        out[s + 3 * stride] = times(low - high, turns[3]);
      }
    } else {
      for (size_t s = 0; s < stride; ++s) {
        for (size_t u = 0; u < radix; ++u) {
          Complex sum = in[s];
          for (size_t t = 1; t < radix; ++t) sum += times(in[s + t * step], roots_[t * u % radix * (length_ / radix)]);
          out[s + u * stride] = times(sum, turns[u]);
        }
      }
    }
  }
}

void FourierPlan::run_chirp(Complex* x) {
  std::fill(padded_.begin(), padded_.end(), 0);
  for (size_t k = 0; k < length_; ++k) padded_[k] = times(x[k], chirp_[k]);
  inner_->run(padded_.data());
  // The inverse transform is the conjugate of the transform of the conjugate.
  for (size_t k = 0; k < padded_.size(); ++k) padded_[k] = std::conj(times(padded_[k], kernel_[k]));
  inner_->run(padded_.data());
  const auto size = static_cast<double>(padded_.size());
  for (size_t k = 0; k < length_; ++k) x[k] = times(std::conj(padded_[k]), chirp_[k]) / size;
}

}  // namespace edgesmith::ops
