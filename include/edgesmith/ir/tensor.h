// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "edgesmith/base/check.h"
#include "edgesmith/ir/dtype.h"
#include "edgesmith/ir/quant.h"
#include "edgesmith/ir/type.h"

namespace edgesmith::ir {

/// How a tensor's numbers are stored.
enum class Encoding {
  dense,    ///< elements row-major; i4/u4/i2/u2 packed, low bits first
  affine,   ///< integer codes + Quant; the reals are a float32 view
  palette,  ///< codebooks + packed indices; the numbers are a view of the codebooks' dtype
  sparse,   ///< values + positions of the non-zeros
};

/// An immutable tensor: cheap to copy, storage shared (possibly a memory-mapped file). Compressed forms stay
/// compressed; dense() makes the reals on demand.
class Tensor {
 public:
  // Not inline: nearly every source would compile them again.
  Tensor();
  Tensor(const Tensor& other);
  Tensor(Tensor&& other) noexcept;
  Tensor& operator=(const Tensor& other);
  Tensor& operator=(Tensor&& other) noexcept;
  ~Tensor();
  /// Dense over storage owned by `owner`; `bytes` must hold packed_bytes(num_elements(dims), dtype_bits(dtype)).
  /// The storage may be unaligned (mapped files are): use data<T>() / copy helpers, which cope.
  Tensor(DType dtype, Dims dims, std::span<const std::byte> bytes, std::shared_ptr<const void> owner);
  /// Dense copy of `values`.
  template <typename T>
  static Tensor of(Dims dims, std::span<const T> values);
  template <typename T>
  static Tensor of(Dims dims, const std::vector<T>& values) {
    return of<T>(std::move(dims), std::span<const T>(values));
  }
  template <typename T>
  static Tensor scalar(T value) {
    return of<T>({}, std::span<const T>(&value, 1));
  }
  static Tensor strings(Dims dims, std::vector<std::string> values);
  /// Zero-filled dense tensor that the caller fills through mutable_data() before sharing it.
  static Tensor zeros(DType dtype, Dims dims);
  /// Reals (codes - zero_point) * scale; `codes` is integer, and dense or a palette. dtype() is f32.
  static Tensor affine(Tensor codes, Quant quant);
  /// Numbers codebooks[group(i)][index(i)]. `indices` is a dense u8 or u4 tensor of the tensor's dims, `codebooks`
  /// dense f32 or i8 [groups, entries]; the channels along `axis` are cut into runs of ceil(channels / groups), of
  /// which the last may be shorter (1 group: one codebook). dtype() is that of the codebooks.
  static Tensor palette(Tensor indices, Tensor codebooks, int axis);
  /// `values` [nnz] at flat positions `indices` i64 [nnz], ascending; everything else is zero.
  static Tensor sparse(Dims dims, Tensor values, Tensor indices);

  bool valid() const { return dtype_ != DType::undefined; }
  Encoding encoding() const { return encoding_; }
  DType dtype() const { return dtype_; }
  const Dims& dims() const { return dims_; }
  int rank() const { return static_cast<int>(dims_.size()); }
  int64_t size() const { return size_; }
  Type type() const { return type_of(dtype_, dims_); }

  /// Dense storage (encoding dense only; strings have none).
  std::span<const std::byte> bytes() const {
    if (encoding_ != Encoding::dense) wrong_access(dtype_);
    return bytes_;
  }
  /// Dense elements; T must match dtype(). Copies into aligned storage first when the storage is unaligned.
  template <typename T>
  std::span<const T> data() const;
  /// For a tensor made by zeros() that nobody else holds yet.
  template <typename T>
  std::span<T> mutable_data();
  std::span<std::byte> mutable_bytes();
  const std::vector<std::string>& string_data() const;

  /// The same numbers with encoding dense (this tensor itself when it is dense already).
  Tensor dense() const;
  /// The numbers as float / int64, converted from any numeric dtype and encoding.
  std::vector<float> to_floats() const;
  std::vector<int64_t> to_int64s() const;
  /// Same storage, other dims with the same number of elements (dense only).
  Tensor reshaped(Dims dims) const;

  /// Whether the tensor itself keeps its storage; else it is a view of memory that somebody else keeps.
  bool owns_storage() const { return owner_ != nullptr || strings_ != nullptr || parts_ != nullptr; }
  /// Whether mutable_bytes() may be asked for.
  bool is_sole_owner() const { return encoding_ == Encoding::dense && owner_.use_count() == 1; }
  /// Makes a dense view one of other bytes, as many and aligned to 8. Allocates nothing.
  void rebase(std::span<const std::byte> bytes);

  // Parts of a compressed tensor.
  const Tensor& codes() const;      ///< affine (always dense), palette (indices), sparse (values)
  const Quant& quant() const;       ///< affine
  const Tensor& codebooks() const;  ///< palette
  const Tensor& positions() const;  ///< sparse
  int palette_axis() const;
  int64_t palette_group() const;  ///< channels that share a codebook
  /// The palette that holds the numbers: this tensor, or the codes of an affine one; null when there is none.
  const Tensor* as_palette() const;

  /// Bytes that the stored parts take (codes, codebooks, scales), not counting headers.
  int64_t stored_bytes() const;
  /// Same dtype, dims, encoding and bits.
  bool identical_to(const Tensor& other) const;

 private:
  struct Parts;
  struct AlignedCopy;
  const std::byte* aligned() const;
  /// Ends the process: dense elements of `asked` were asked for, which this tensor does not hold.
  [[noreturn]] void wrong_access(DType asked) const;

  DType dtype_ = DType::undefined;
  Encoding encoding_ = Encoding::dense;
  Dims dims_;
  int64_t size_ = 0;
  std::span<const std::byte> bytes_;
  std::shared_ptr<const void> owner_;
  std::shared_ptr<AlignedCopy> aligned_copy_;  ///< only for unaligned storage; filled by the first data<T>()
  std::shared_ptr<const std::vector<std::string>> strings_;
  std::shared_ptr<const Parts> parts_;
};

/// half/bfloat16 <-> float.
float half_to_float(uint16_t bits);
uint16_t float_to_half(float value);
float bfloat16_to_float(uint16_t bits);
uint16_t float_to_bfloat16(float value);

template <typename T>
Tensor Tensor::of(Dims dims, std::span<const T> values) {
  Tensor t = zeros(dtype_of<T>(), std::move(dims));
  EDGESMITH_CHECK(t.size() == static_cast<int64_t>(values.size()));
  auto out = t.mutable_data<T>();
  for (size_t i = 0; i < values.size(); ++i) out[i] = values[i];
  return t;
}

template <typename T>
std::span<const T> Tensor::data() const {
  if (dtype_of<T>() != dtype_ || encoding_ != Encoding::dense) wrong_access(dtype_of<T>());
  return {reinterpret_cast<const T*>(aligned()), static_cast<size_t>(size_)};
}

template <typename T>
std::span<T> Tensor::mutable_data() {
  if (dtype_of<T>() != dtype_) wrong_access(dtype_of<T>());
  return {reinterpret_cast<T*>(mutable_bytes().data()), static_cast<size_t>(size_)};
}

}  // namespace edgesmith::ir
