// SPDX-License-Identifier: Apache-2.0
#include "edgesmith/data/seeded_inputs.h"

#include <algorithm>
#include <filesystem>

#include "data/signature.h"
#include "edgesmith/base/file.h"
#include "edgesmith/base/random.h"
#include "edgesmith/base/text.h"
#include "edgesmith/data/arrays.h"

namespace edgesmith::data {
namespace {

using ir::DType;

int64_t size_of(const ir::Dim& dim, const SeededOptions& options) {
  if (dim.known()) return dim.value();
  for (const auto& [symbol, size] : options.free_dims) {
    if (dim.symbolic() && dim.symbol() == symbol) return size;
  }
  return 1;
}

// Every symbol that was given a size is one of the inputs'.
Status check_symbols(const Signature& signature, const SeededOptions& options) {
  std::vector<std::string> known;
  for (const ModelInput& input : signature.inputs) {
    for (const ir::Dim& dim : input.type.has_rank() ? *input.type.shape : ir::Shape()) {
      const bool fresh = dim.symbolic() && std::find(known.begin(), known.end(), dim.symbol()) == known.end();
      if (fresh) known.push_back(dim.symbol());
    }
  }
  for (const auto& [symbol, size] : options.free_dims) {
    if (std::find(known.begin(), known.end(), symbol) != known.end()) continue;
    return usage_error("no input has a dim '" + symbol + "'",
                       known.empty() ? "the inputs have no dims with names" : "they have " + join(known, ", "));
  }
  return {};
}

Result<ir::Dims> dims_of(const ModelInput& input, const SeededOptions& options) {
  const int64_t batch = options.batch;
  if (!input.type.has_rank()) {
    return unsupported_error("input '" + input.name + "' has no known rank", "give samples with --data");
  }
  ir::Dims dims;
  for (const ir::Dim& dim : *input.type.shape) dims.push_back(size_of(dim, options));
  if (dims.empty() || !input.batched) return dims;
  const ir::Dim& first = input.type.shape->front();
  if (batch == 0 && dims[0] == 0 && !first.known()) {
    return usage_error("input '" + input.name + "' " + ir::type_of(input.type.dtype, dims).text() + " holds no sample",
                       "its first dim must be above 0");
  }
  if (batch == 0) return dims;
  if (first.known() && first.value() != batch) {
    return usage_error("input '" + input.name + "' " + input.type.text() + " takes " + std::to_string(first.value()) +
                           " samples at a time, not " + std::to_string(batch),
                       "leave --batch out");
  }
  dims[0] = batch;
  return dims;
}

// Fills `tensor` with small numbers that its dtype can hold.
Status fill(ir::Tensor& tensor, Random& random) {
  const auto each = [&](auto example, auto make) {
    for (auto& x : tensor.mutable_data<decltype(example)>()) x = static_cast<decltype(example)>(make());
  };
  const auto uniform = [&] { return random.uniform(); };
  const auto code = [&] { return static_cast<uint8_t>(random.next()); };
  const auto bit = [&] { return random.next() >> 63; };
  switch (tensor.dtype()) {
    case DType::f32: each(float{}, uniform); return {};
    case DType::f64: each(double{}, uniform); return {};
    case DType::u8: each(uint8_t{}, code); return {};
    case DType::i8: each(int8_t{}, code); return {};
    case DType::u16: each(uint16_t{}, bit); return {};
    case DType::i16: each(int16_t{}, bit); return {};
    case DType::u32: each(uint32_t{}, bit); return {};
    case DType::i32: each(int32_t{}, bit); return {};
    case DType::u64: each(uint64_t{}, bit); return {};
    case DType::i64: each(int64_t{}, bit); return {};
    case DType::boolean: each(bool{}, bit); return {};
    case DType::f16:
    case DType::bf16: {
      const bool half = tensor.dtype() == DType::f16;
      const auto bytes = tensor.mutable_bytes();
      for (size_t i = 0; i + 1 < bytes.size(); i += 2) {
        const auto value = static_cast<float>(random.uniform());
        const uint16_t bits = half ? ir::float_to_half(value) : ir::float_to_bfloat16(value);
        bytes[i] = static_cast<std::byte>(bits & 0xff);
        bytes[i + 1] = static_cast<std::byte>(bits >> 8);
      }
      return {};
    }
    case DType::undefined:
    case DType::string:
    case DType::c64:
    case DType::c128:
    case DType::f8e4m3fn:
    case DType::f8e4m3fnuz:
    case DType::f8e5m2:
    case DType::f8e5m2fnuz:
    case DType::u4:
    case DType::i4:
    case DType::f4e2m1:
    case DType::f8e8m0:
    case DType::u2:
    case DType::i2: break;
  }
  return unsupported_error("no numbers are made up for " + std::string(ir::dtype_name(tensor.dtype())),
                           "give samples with --data");
}

}  // namespace

Result<std::vector<ir::Tensor>> seeded_inputs(const ir::Graph& graph, const SeededOptions& options) {
  const Signature signature = signature_of(graph);
  if (options.batch > 1 && signature.first_batched() < 0) {
    return usage_error("the model has no batch axis for " + std::to_string(options.batch) + " samples",
                       "leave --batch out");
  }
  EDGESMITH_TRY(check_symbols(signature, options));
  Random random(options.seed);
  std::vector<ir::Tensor> inputs;
  int64_t total = 0;
  for (const ModelInput& input : signature.inputs) {
    auto dims = dims_of(input, options);
    if (!dims) return dims.error();
    const int64_t count = ir::num_elements(*dims);
    int64_t bits = 0;
    const bool countable = count >= 0 && !__builtin_mul_overflow(count, ir::dtype_bits(input.type.dtype), &bits);
    if (!countable || __builtin_add_overflow(total, bits / 8, &total) || total > options.memory_limit) {
      return io_error("input '" + input.name + "' " + ir::type_of(input.type.dtype, *dims).text() + " takes " +
                          (countable ? std::to_string(bits / 8) : "more than 2^60") + " bytes, the limit is " +
                          std::to_string(options.memory_limit),
                      "feed fewer samples at a time, or raise --memory-limit");
    }
    const bool numbers = input.type.dtype != DType::undefined && input.type.dtype != DType::string;
    ir::Tensor tensor = ir::Tensor::zeros(numbers ? input.type.dtype : DType::u8, std::move(*dims));
    const Status filled = numbers ? fill(tensor, random) : unsupported_error("text", "give samples with --data");
    if (!filled) return filled.error().in("input '" + input.name + "'");
    inputs.push_back(std::move(tensor));
  }
  return inputs;
}

Status save_inputs(const std::string& path, const ir::Graph& graph, const std::vector<ir::Tensor>& inputs,
                   Existing existing) {
  const std::filesystem::path file(path);
  if (file.extension() != ".npz") return usage_error(path + ": inputs are saved as .npz", "name it so");
  std::vector<NamedArray> arrays;
  for (size_t i = 0; i < inputs.size(); ++i) arrays.push_back({graph.inputs()[i]->name(), inputs[i]});
  EDGESMITH_TRY(write_npz(path, arrays, existing));
  std::string quoted;
  for (const char c : file.filename().string()) quoted += c == '"' || c == '\\' ? std::string{'\\', c} : std::string{c};
  return write_file(description_of_inputs(path),
                    "# Inputs made by edgesmith bench, to be fed as they are.\npath = \"" + quoted +
                        "\"\nlabels = \"none\"\n[preprocess]\n",
                    existing);
}

std::string description_of_inputs(const std::string& path) {
  return std::filesystem::path(path).replace_extension(".toml").string();
}

}  // namespace edgesmith::data
