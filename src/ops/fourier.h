// SPDX-License-Identifier: Apache-2.0
// The discrete Fourier transform that dft and stft share.
#pragma once

#include <complex>
#include <memory>
#include <vector>

namespace edgesmith::ops {

using Complex = std::complex<double>;

/// Transforms of one length: X[k] = sum of x[n] exp(-2 pi i k n / N); `inverse`: exp(+...), not divided by N. In f64,
/// in N log N steps for any N: mixed radix (Cooley and Tukey 1965, in the order of Stockham, so that nothing is
/// permuted); lengths with a factor above 13 as a convolution with a chirp (Bluestein 1970).
class FourierPlan {
 public:
  FourierPlan(size_t length, bool inverse);

  size_t length() const { return length_; }
  /// In place: `x` holds length() numbers.
  void run(Complex* x);

 private:
  void run_radix(size_t radix, size_t length, size_t stride, const Complex* from, Complex* to) const;
  void run_chirp(Complex* x);

  size_t length_;
  double sign_;
  std::vector<size_t> factors_;
  std::vector<Complex> roots_, spare_;  // roots_[k] = exp(sign 2 pi i k / N)
  std::vector<Complex> chirp_, kernel_, padded_;
  std::unique_ptr<FourierPlan> inner_;  // of the chirp's convolution
};

}  // namespace edgesmith::ops
