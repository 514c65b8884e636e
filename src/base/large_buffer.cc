// SPDX-License-Identifier: Apache-2.0
#include "edgesmith/base/large_buffer.h"

#if defined(__linux__)
#include <sys/mman.h>
#endif
#include <cstdlib>
#include <new>
#include <utility>

namespace edgesmith {
namespace {

// The smallest of the large pages, of x86 and of 64-bit Arm with small pages of 4 KiB.
constexpr size_t kLargePage = size_t{2} << 20, kLine = 64;

}  // namespace

LargeBuffer::LargeBuffer(size_t bytes) {
  if (bytes == 0) return;
  const size_t unit = bytes < kLargePage ? kLine : kLargePage, whole = (bytes + unit - 1) / unit * unit;
  data_ = std::aligned_alloc(unit, whole);
  if (data_ == nullptr) throw std::bad_alloc();
#if defined(__linux__)
  if (unit == kLargePage) madvise(data_, whole, MADV_HUGEPAGE);  // advice: nothing is lost where it is not taken
#endif
}

LargeBuffer::~LargeBuffer() { std::free(data_); }

LargeBuffer::LargeBuffer(LargeBuffer&& other) noexcept : data_(std::exchange(other.data_, nullptr)) {}

LargeBuffer& LargeBuffer::operator=(LargeBuffer&& other) noexcept {
  std::swap(data_, other.data_);
  return *this;
}

}  // namespace edgesmith
