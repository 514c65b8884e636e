// SPDX-License-Identifier: Apache-2.0
// Memory for many numbers that are written soon after.
#pragma once

#include <cstddef>

namespace edgesmith {

/// Memory in the system's large pages, where it has them: the first touch of every page costs as much as thousands of
/// sums, and these are five hundred times fewer. It begins at a multiple of 64 bytes, and holds anything at first.
class LargeBuffer {
 public:
  LargeBuffer() = default;
  explicit LargeBuffer(size_t bytes);
  ~LargeBuffer();
  LargeBuffer(LargeBuffer&& other) noexcept;
  LargeBuffer& operator=(LargeBuffer&& other) noexcept;

  float* floats() const { return static_cast<float*>(data_); }

 private:
  void* data_ = nullptr;
};

}  // namespace edgesmith
