// SPDX-License-Identifier: Apache-2.0
// Arithmetic that means the same for floats and integers and is defined for every value: integers wrap around as
// two's complement does (ONNX leaves overflow open; numpy and ONNX Runtime wrap), floats convert with saturation.
#pragma once

#include <cstdint>
#include <limits>
#include <type_traits>

namespace edgesmith::ops {

/// a + b, a - b, a * b; integers modulo 2^bits.
template <typename T>
T wrapping_add(T a, T b) {
  if constexpr (std::is_floating_point_v<T>)
    return a + b;
  else
    return static_cast<T>(static_cast<uint64_t>(a) + static_cast<uint64_t>(b));
}
template <typename T>
T wrapping_subtract(T a, T b) {
  if constexpr (std::is_floating_point_v<T>)
    return a - b;
  else
    return static_cast<T>(static_cast<uint64_t>(a) - static_cast<uint64_t>(b));
}
template <typename T>
T wrapping_multiply(T a, T b) {
  if constexpr (std::is_floating_point_v<T>)
    return a * b;
  else
    return static_cast<T>(static_cast<uint64_t>(a) * static_cast<uint64_t>(b));
}

/// The nearest T towards zero; the ends of the range beyond it, 0 for NaN. Floats convert as C++ does.
template <typename T>
T saturating_cast(double value) {
  if constexpr (std::is_floating_point_v<T>) return static_cast<T>(value);
  if (!(value == value)) return T{0};
  if (value <= static_cast<double>(std::numeric_limits<T>::min())) return std::numeric_limits<T>::min();
  if (value >= static_cast<double>(std::numeric_limits<T>::max())) return std::numeric_limits<T>::max();
  return static_cast<T>(value);
}

}  // namespace edgesmith::ops
