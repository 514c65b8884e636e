// SPDX-License-Identifier: Apache-2.0
// The discrete Fourier transform that dft and stft share.
#pragma once

#include <complex>
#include <vector>

namespace edgesmith::ops {

using Spectrum = std::vector<std::complex<double>>;

/// X[k] = sum of x[n] exp(-2 pi i k n / N), N the length of x; `inverse`: exp(+...), not divided by N. In f64, in
/// N log N steps for any N (radix 2; Bluestein 1970 for others).
Spectrum fourier(const Spectrum& x, bool inverse);

}  // namespace edgesmith::ops
