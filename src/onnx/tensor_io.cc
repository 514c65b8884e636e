// SPDX-License-Identifier: Apache-2.0
#include "onnx/tensor_io.h"

#include <algorithm>
#include <cstring>

namespace edgesmith::onnx {
namespace {

using wire::Field;
using wire::Reader;
using wire::WireType;

std::string describe(const TensorView& view) { return "tensor '" + std::string(view.name) + "'"; }

/// The typed field that holds elements of `dtype` when there are no raw data.
uint32_t typed_field(ir::DType dtype) {
  switch (dtype) {
    case ir::DType::f32:
    case ir::DType::c64: return tensor_field::float_data;
    case ir::DType::f64:
    case ir::DType::c128: return tensor_field::double_data;
    case ir::DType::i64: return tensor_field::int64_data;
    case ir::DType::u32:
    case ir::DType::u64: return tensor_field::uint64_data;
    case ir::DType::string: return tensor_field::string_data;
    case ir::DType::undefined:
    case ir::DType::u8:
    case ir::DType::i8:
    case ir::DType::u16:
    case ir::DType::i16:
    case ir::DType::i32:
    case ir::DType::boolean:
    case ir::DType::f16:
    case ir::DType::bf16:
    case ir::DType::f8e4m3fn:
    case ir::DType::f8e4m3fnuz:
    case ir::DType::f8e5m2:
    case ir::DType::f8e5m2fnuz:
    case ir::DType::u4:
    case ir::DType::i4:
    case ir::DType::f4e2m1:
    case ir::DType::f8e8m0:
    case ir::DType::u2:
    case ir::DType::i2: return tensor_field::int32_data;
  }
  return 0;
}

/// Bytes of one element of the typed field once stored: several sub-byte elements share one int32.
int stored_size(ir::DType dtype) {
  if (dtype == ir::DType::c64) return 4;
  if (dtype == ir::DType::c128) return 8;
  return std::max(ir::dtype_bits(dtype), 8) / 8;
}

void append_little_endian(std::string& out, uint64_t value, int size) {
  for (int i = 0; i < size; ++i) out.push_back(static_cast<char>(value >> (8 * i) & 0xff));
}

/// The elements of the typed field as they would lie in raw_data.
Result<std::string> typed_data(const TensorView& view, ir::DType dtype) {
  std::string out;
  const uint32_t wanted = typed_field(dtype);
  const int size = stored_size(dtype);
  Reader reader(view.message);
  Field field;
  while (reader.next(field)) {
    if (field.number != wanted) continue;
    const bool floats = wanted == tensor_field::float_data || wanted == tensor_field::double_data;
    if (floats && field.type == WireType::bytes) {
      out.append(field.text());
    } else if (floats) {
      append_little_endian(out, field.scalar, size);
    } else {
      std::vector<int64_t> numbers;
      if (!wire::append_integers(field, numbers)) return invalid_error(describe(view) + ": malformed data");
      for (int64_t number : numbers) append_little_endian(out, static_cast<uint64_t>(number), size);
    }
  }
  return out;
}

Result<ir::Tensor> decode_strings(const TensorView& view) {
  std::vector<std::string> strings;
  Reader reader(view.message);
  Field field;
  while (reader.next(field)) {
    if (field.is(tensor_field::string_data, WireType::bytes)) strings.emplace_back(field.text());
  }
  const int64_t count = ir::num_elements(view.dims);
  if (static_cast<int64_t>(strings.size()) != count) {
    return invalid_error(describe(view) + ": has " + std::to_string(strings.size()) + " strings, its shape needs " +
                         std::to_string(count));
  }
  return ir::Tensor::strings(view.dims, std::move(strings));
}

Error wrong_size(const TensorView& view, ir::DType dtype, const char* where, size_t have, int64_t need) {
  return invalid_error(describe(view) + ": " + where + " " + std::to_string(have) + " bytes, shape " +
                       ir::type_of(dtype, view.dims).text() + " needs " + std::to_string(need));
}

/// Bytes that the elements take, checked against overflow.
Result<int64_t> needed_bytes(const TensorView& view, ir::DType dtype) {
  const int64_t count = ir::num_elements(view.dims);
  const int bits = ir::dtype_bits(dtype);
  if (count < 0 || count > (INT64_MAX - 7) / std::max(bits, 1)) {
    std::string dims;
    for (int64_t dim : view.dims) dims += (dims.empty() ? "" : ",") + std::to_string(dim);
    return invalid_error(describe(view) + ": dims [" + dims + "] are negative or overflow");
  }
  return ir::packed_bytes(count, bits);
}

}  // namespace

namespace {

/// Truth values of any bytes: whatever is not 0 is true. C++ knows no bool but 0 and 1.
ir::Tensor with_truths(ir::Tensor tensor) {
  const auto is_truth = [](std::byte byte) { return byte <= std::byte{1}; };
  const auto bytes = tensor.bytes();
  if (tensor.dtype() != ir::DType::boolean || std::all_of(bytes.begin(), bytes.end(), is_truth)) return tensor;
  ir::Tensor truths = ir::Tensor::zeros(ir::DType::boolean, tensor.dims());
  const auto out = truths.mutable_data<bool>();
  for (size_t i = 0; i < out.size(); ++i) out[i] = bytes[i] != std::byte{0};
  return truths;
}

}  // namespace

Result<ir::Tensor> decode_tensor(const TensorView& view, const std::shared_ptr<const void>& owner,
                                 ExternalData& files) {
  if (view.data_type <= 0 || view.data_type > static_cast<int64_t>(ir::DType::i2)) {
    return unsupported_error(describe(view) + ": element type " + std::to_string(view.data_type) + " is not known");
  }
  if (view.segmented) return unsupported_error(describe(view) + ": is stored in segments");
  const auto dtype = static_cast<ir::DType>(view.data_type);
  const auto need = needed_bytes(view, dtype);
  if (!need) return need.error();
  if (view.external && dtype == ir::DType::string) {
    return invalid_error(describe(view) + ": strings cannot be external data", "store them in string_data");
  }
  if (view.external) {
    auto piece = files.find(view, *need);
    if (!piece) return piece.error().in(describe(view));
    return with_truths(ir::Tensor(dtype, view.dims, piece->bytes, piece->owner));
  }
  if (dtype == ir::DType::string) return decode_strings(view);
  const auto size = static_cast<size_t>(*need);
  if (view.has_raw) {
    if (view.raw_data.size() != size) return wrong_size(view, dtype, "raw_data has", view.raw_data.size(), *need);
    return with_truths(ir::Tensor(dtype, view.dims, view.raw_data, owner));
  }
  auto data = typed_data(view, dtype);
  if (!data) return data.error();
  if (data->size() != size) return wrong_size(view, dtype, "has", data->size(), *need);
  auto storage = std::make_shared<const std::string>(*std::move(data));
  return with_truths(ir::Tensor(dtype, view.dims, wire::as_bytes(*storage), storage));
}

Result<ir::Tensor> decode_sparse(const SparseTensorView& view, const std::shared_ptr<const void>& owner,
                                 ExternalData& files) {
  auto values = decode_tensor(view.values, owner, files);
  if (!values) return values.error();
  auto indices = decode_tensor(view.indices, owner, files);
  if (!indices) return indices.error();
  const std::string what = "sparse tensor '" + std::string(view.values.name) + "'";
  const int64_t count = ir::num_elements(view.dims);
  const auto rank = static_cast<int64_t>(view.dims.size());
  const int64_t nonzeros = values->size();
  if (count < 0) return invalid_error(what + ": dims are negative or overflow");
  if (indices->dtype() != ir::DType::i64 || values->rank() != 1 || values->dtype() == ir::DType::string) {
    return invalid_error(what + ": needs 1-dimensional values and i64 indices");
  }
  const bool linear = indices->rank() == 1 && indices->size() == nonzeros;
  const bool coordinates = indices->rank() == 2 && indices->dims() == ir::Dims{nonzeros, rank};
  if (!linear && !coordinates) return invalid_error(what + ": indices do not fit the values");
  std::vector<int64_t> positions;
  const auto given = indices->data<int64_t>();
  for (int64_t i = 0; i < nonzeros; ++i) {
    int64_t position = linear ? given[static_cast<size_t>(i)] : 0;
    for (int64_t axis = 0; coordinates && axis < rank; ++axis) {
      const int64_t at = given[static_cast<size_t>(i * rank + axis)], dim = view.dims[static_cast<size_t>(axis)];
      if (at < 0 || at >= dim) return invalid_error(what + ": index " + std::to_string(at) + " is outside its dim");
      position = position * dim + at;
    }
    if (position < 0 || position >= count || (!positions.empty() && position <= positions.back())) {
      return invalid_error(what + ": indices are out of range or not ascending");
    }
    positions.push_back(position);
  }
  return ir::Tensor::sparse(view.dims, *std::move(values), ir::Tensor::of<int64_t>({nonzeros}, positions));
}

wire::Writer encode_tensor(const ir::Tensor& tensor, std::string_view name, std::string_view extra) {
  wire::Writer out;
  for (int64_t dim : tensor.dims()) out.integer(tensor_field::dims, dim);
  out.integer(tensor_field::data_type, static_cast<int64_t>(tensor.dtype()));
  out.optional_text(tensor_field::name, name);
  if (tensor.dtype() == ir::DType::string) {
    for (const std::string& text : tensor.string_data()) out.text(tensor_field::string_data, text);
  } else {
    // A temporary tensor's storage may die before the writer is used, so the piece keeps the tensor alive.
    auto keep = std::make_shared<const ir::Tensor>(tensor.dense());
    out.view(tensor_field::raw_data, keep->bytes(), keep);
  }
  out.encoded(wire::as_bytes(extra));
  return out;
}

}  // namespace edgesmith::onnx
