// SPDX-License-Identifier: Apache-2.0
// The plain evaluations of integer forms (provider "reference"): what each operator means on codes, clear before fast.
#pragma once

#include <span>

#include "runtime/integer/form.h"
#include "runtime/integer/weight_layer.h"

namespace edgesmith::runtime::integer {

/// All rows.
std::span<const Kernel> plain_kernels();

/// Whether `form` computes in the plain way of conv; gemm and mat_mul; add; mul; average_pool and
/// global_average_pool; an operator that only moves codes; a function of one operand.
bool is_conv(const Form& form);
bool is_matrix_product(const Form& form);
bool is_add(const Form& form);
bool is_mul(const Form& form);
bool is_average(const Form& form);
bool is_move(const Form& form);
bool is_lookup(const Form& form);

Status run_conv(const KernelCall& call);
Status run_matrix_product(const KernelCall& call);
Status run_add(const KernelCall& call);
Status run_mul(const KernelCall& call);
Status run_average(const KernelCall& call);
Status run_move(const KernelCall& call);
Status run_lookup(const KernelCall& call);

Result<std::shared_ptr<const Prepared>> prepare_weights(const Form& form, Isa isa);
Result<std::shared_ptr<const Prepared>> prepare_lookup(const Form& form, Isa isa);
/// Keeps the form itself.
Result<std::shared_ptr<const Prepared>> prepare_plain(const Form& form, Isa isa);

struct PlainForm : Prepared {
  Form form;
};

struct PlainWeights : Prepared {
  Form form;
  WeightLayer layer;
};

/// The code that a pad with a constant fills with.
int32_t pad_code(const Form& form);

/// 256 codes: what each code of the operand (as an unsigned byte) becomes.
struct LookupTable : Prepared {
  std::array<uint8_t, 256> codes = {};
};
Result<LookupTable> make_lookup(const Form& form);

/// Codes of a tensor, or of an output, whatever their dtype.
class ReadCodes {
 public:
  ReadCodes(const ir::Tensor& tensor) : bytes_(tensor.bytes().data()), is_signed_(tensor.dtype() == ir::DType::i8) {}
  int32_t operator[](int64_t i) const {
    const auto byte = static_cast<uint8_t>(bytes_[i]);
    return is_signed_ ? static_cast<int8_t>(byte) : byte;
  }

 private:
  const std::byte* bytes_;
  bool is_signed_;
};
inline std::byte as_byte(int32_t code) { return static_cast<std::byte>(static_cast<uint8_t>(code)); }

/// sum over k of x[k] * weight[k] - zero_point * sum of weight, in 32 bits that wrap around. `saturating`: products are
/// added in pairs that saturate at 16 bits first; x must be unsigned then.
int32_t dot(std::span<const int32_t> x, const int16_t* weight, int32_t zero_point, bool saturating);

}  // namespace edgesmith::runtime::integer
