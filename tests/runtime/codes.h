// SPDX-License-Identifier: Apache-2.0
// What tests of kernels on codes share: values, buffers with the slack that kernels may read, tables, and running a
// row.
#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "edgesmith/base/random.h"
#include "edgesmith/ops/op_info.h"
#include "runtime/integer/weight_layer.h"
#include "runtime/native/int_tables.h"

namespace edgesmith::runtime {

struct NamedTable {
  std::string name;
  const native::IntTable* table;
  Isa isa;
};

/// The emulated tables, and those of the instruction sets that this CPU has.
inline std::vector<NamedTable> code_tables() {
  std::vector<NamedTable> out = {{"portable4", &native::kPortable4IntTable, Isa::scalar},
                                 {"portable8", &native::kPortable8IntTable, Isa::scalar},
                                 {"portable16", &native::kPortable16IntTable, Isa::scalar}};
  for (const Isa isa : kIsas) {
    if (isa != Isa::scalar && cpu_has(isa)) out.push_back({std::string(isa_word(isa)), &native::int_table(isa), isa});
  }
  return out;
}

/// Bytes at a multiple of 64 with 64 more behind them, which hold `fill`.
class CodeBuffer {
 public:
  explicit CodeBuffer(int64_t bytes, uint8_t fill = 0xa5) : size_(bytes) {
    const size_t room = (static_cast<size_t>(bytes) + 64 + 63) / 64 * 64;
    data_.reset(static_cast<uint8_t*>(std::aligned_alloc(64, room)), std::free);
    std::memset(data_.get(), fill, room);
  }
  uint8_t* data() const { return data_.get(); }
  std::byte* bytes() const { return reinterpret_cast<std::byte*>(data_.get()); }
  /// Whether nothing was written behind the end.
  bool intact(uint8_t fill = 0xa5) const {
    for (int i = 0; i < 64; ++i) {
      if (data_.get()[size_ + i] != fill) return false;
    }
    return true;
  }
  ir::Tensor tensor(ir::DType dtype, ir::Dims dims) const {
    return {dtype, std::move(dims), std::span<const std::byte>(bytes(), static_cast<size_t>(size_)), data_};
  }

 private:
  int64_t size_;
  std::shared_ptr<uint8_t> data_;
};

inline ir::Quant per_tensor(ir::DType dtype, float scale, int32_t zero_point) {
  ir::Quant quant;
  quant.dtype = dtype;
  quant.scale = {scale};
  quant.zero_point = {zero_point};
  return quant;
}

/// A constant of `dims` with random codes in [-limit, limit] (u8: [0, 255]) and a scale for each index of `axis`.
inline ir::Tensor random_weight(const ir::Dims& dims, int axis, int limit, uint64_t seed,
                                ir::DType dtype = ir::DType::i8) {
  Random random(seed);
  ir::Tensor codes = ir::Tensor::zeros(dtype, dims);
  for (std::byte& code : codes.mutable_bytes()) {
    const int low = dtype == ir::DType::i8 ? -limit : 0, high = dtype == ir::DType::i8 ? limit : 255;
    code = static_cast<std::byte>(low + static_cast<int>(random.uniform() * (high - low + 1)));
  }
  ir::Quant quant;
  quant.dtype = dtype;
  quant.axis = axis;
  for (int64_t i = 0; i < dims[static_cast<size_t>(axis)]; ++i) {
    quant.scale.push_back(0.002F + 0.004F * static_cast<float>(random.uniform()));
    quant.zero_point.push_back(dtype == ir::DType::i8 ? 0 : static_cast<int32_t>(random.uniform() * 255));
  }
  return ir::Tensor::affine(codes, quant);
}

inline CodeBuffer random_codes(int64_t count, uint64_t seed) {
  Random random(seed);
  CodeBuffer out(count);
  for (int64_t i = 0; i < count; ++i) {
    // Extremes often: they are what saturates.
    const double u = random.uniform();
    out.data()[i] = u < 0.2 ? 255 : u < 0.3 ? 0 : static_cast<uint8_t>(random.uniform() * 256);
  }
  return out;
}

/// Code number i of a buffer as the integer that `dtype` means.
inline int32_t code_at(const CodeBuffer& codes, ir::DType dtype, int64_t i) {
  const uint8_t byte = codes.data()[i];
  return dtype == ir::DType::i8 ? static_cast<int8_t>(byte) : byte;
}

/// Runs a row on codes; operands that carry none are null.
inline CodeBuffer run_row(const Kernel& kernel, const ir::Node& node, const Prepared* prepared,
                          const std::vector<const ir::Tensor*>& inputs, const ir::Dims& output, int64_t output_bytes,
                          Isa isa) {
  std::vector<const ir::Dims*> dims;
  for (const ir::Tensor* input : inputs) dims.push_back(input == nullptr ? nullptr : &input->dims());
  int64_t scratch_bytes = 0;
  if (kernel.scratch_bytes != nullptr) {
    const auto bytes = kernel.scratch_bytes(node, prepared, dims, output, isa);
    EXPECT_TRUE(bytes.ok()) << (bytes.ok() ? "" : bytes.error().text());
    if (bytes) scratch_bytes = *bytes;
  }
  const CodeBuffer out(output_bytes), scratch(scratch_bytes);
  const OutputSlot slot = {out.bytes(), &output};
  KernelCall call = {node, inputs, {&slot, 1}, prepared, scratch.bytes(), {}, isa};
  Result<std::shared_ptr<const Prepared>> bound = std::shared_ptr<const Prepared>();
  if (kernel.bind != nullptr) bound = kernel.bind(node, prepared, dims, output, isa);
  EXPECT_TRUE(bound.ok()) << (bound.ok() ? "" : bound.error().text());
  if (bound) call.bound = bound->get();
  const Status status = kernel.run(call);
  EXPECT_TRUE(status.ok()) << (status.ok() ? "" : status.error().text());
  EXPECT_TRUE(out.intact()) << "written past the end of the result";
  EXPECT_TRUE(scratch.intact()) << "written past the end of the scratch";
  return out;
}

}  // namespace edgesmith::runtime
