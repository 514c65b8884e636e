// SPDX-License-Identifier: Apache-2.0
#include "ops/elements.h"

#include <array>
#include <cstring>
#include <numeric>
#include <string>

namespace edgesmith::ops {
namespace {

using ir::DType;
using ir::Tensor;

// No tensor of a model for edge devices is near this; a hostile shape is soon beyond it.
constexpr int64_t kMaxTensorBytes = int64_t{1} << 32;

// Reads and writes the elements of plain tensors as opaque words of one width; storage may be unaligned.
template <typename Word>
struct WordReader {
  const std::byte* data;
  explicit WordReader(const Tensor& tensor) : data(tensor.bytes().data()) {}
  Word operator[](int64_t i) const {
    Word word;
    std::memcpy(&word, data + i * static_cast<int64_t>(sizeof(Word)), sizeof(Word));
    return word;
  }
};

template <>
struct WordReader<std::string> {
  const std::vector<std::string>& data;
  explicit WordReader(const Tensor& tensor) : data(tensor.string_data()) {}
  const std::string& operator[](int64_t i) const { return data[static_cast<size_t>(i)]; }
};

// A tensor of the type of `like` with these dims, its elements written by write(words) where words[i] is assignable.
template <typename Word, typename Write>
Result<Tensor> build(DType dtype, ir::Dims dims, Write&& write) {
  EDGESMITH_TRY(check_size(dtype, dims));
  if constexpr (std::is_same_v<Word, std::string>) {
    std::vector<std::string> words(static_cast<size_t>(ir::num_elements(dims)));
    write(words.data());
    return Tensor::strings(std::move(dims), std::move(words));
  } else {
    Tensor out = Tensor::zeros(dtype, std::move(dims));
    write(reinterpret_cast<Word*>(out.mutable_bytes().data()));
    return out;
  }
}

// Calls body<Word>() with a type as wide as an element of `dtype` (never a packed one).
template <typename Body>
Result<Tensor> with_word(DType dtype, Body&& body) {
  if (dtype == DType::string) return body.template operator()<std::string>();
  switch (ir::dtype_bits(dtype)) {
    case 8: return body.template operator()<uint8_t>();
    case 16: return body.template operator()<uint16_t>();
    case 32: return body.template operator()<uint32_t>();
    case 64: return body.template operator()<uint64_t>();
    case 128: return body.template operator()<std::array<uint64_t, 2>>();
  }
  return unsupported_error("does not run on elements of type " + std::string(ir::dtype_name(dtype)));
}

bool is_packed(DType dtype) { return dtype != DType::string && ir::dtype_bits(dtype) < 8; }

// Runs `body` on byte-wide codes instead of packed elements.
template <typename Body>
Result<Tensor> unpacked(const Tensor& in, Body&& body) {
  auto out = body(unpack(in));
  if (!out) return out;
  return pack(*out, in.dtype());
}

// Counts through all index tuples of `dims` but the last axis, keeping sum(offsets[k][index_k]) in `base`.
template <typename Row>
void for_each_row(const ir::Dims& dims, const std::vector<std::vector<int64_t>>& offsets, Row&& row) {
  if (ir::num_elements(dims) == 0) return;
  const size_t outer = dims.size() - 1;
  std::vector<int64_t> index(outer, 0);
  for (int64_t out = 0;; out += dims[outer]) {
    int64_t base = 0;
    bool filled = false;
    for (size_t k = 0; k < outer; ++k) {
      const int64_t offset = offsets[k][static_cast<size_t>(index[k])];
      filled = filled || offset < 0;
      base += offset;
    }
    row(out, base, filled);
    size_t k = outer;
    while (k > 0 && ++index[k - 1] == dims[k - 1]) index[--k] = 0;
    if (k == 0) return;
  }
}

// take() on words: `offsets` are the maps times the strides, negative where the fill goes.
template <typename Word>
Result<Tensor> take_words(const Tensor& in, ir::Dims dims, const std::vector<std::vector<int64_t>>& offsets,
                          const Tensor* fill) {
  const WordReader<Word> source(in);
  const Word filler = fill != nullptr ? Word(WordReader<Word>(*fill)[0]) : Word{};
  const ir::Dims shape = dims;
  return build<Word>(in.dtype(), std::move(dims), [&](Word* out) {
    const std::vector<int64_t>& last = offsets.back();
    for_each_row(shape, offsets, [&](int64_t at, int64_t base, bool filled) {
      for (size_t j = 0; j < last.size(); ++j) {
        out[at + static_cast<int64_t>(j)] = filled || last[j] < 0 ? filler : source[base + last[j]];
      }
    });
  });
}

}  // namespace

Status check_size(DType dtype, const ir::Dims& dims) {
  ir::Dims positive = dims;  // a zero does not excuse the other dims: index lists are made for them
  for (int64_t& dim : positive) dim += dim == 0 ? 1 : 0;
  const int64_t size = ir::num_elements(positive);
  const int64_t bits = dtype == DType::string ? 256 : std::max(ir::dtype_bits(dtype), 1);
  if (size >= 0 && size <= kMaxTensorBytes / bits * 8) return {};
  return io_error("a tensor of type " + ir::type_of(dtype, dims).text() + " is too large",
                  "the limit is " + std::to_string(kMaxTensorBytes >> 30) + " GiB a tensor");
}

Result<Tensor> make_tensor(DType dtype, ir::Dims dims) {
  EDGESMITH_TRY(check_size(dtype, dims));
  return Tensor::zeros(dtype, std::move(dims));
}

ir::Dims strides_of(const ir::Dims& dims) {
  ir::Dims strides(dims.size(), 1);
  for (size_t i = dims.size(); i-- > 1;) strides[i - 1] = strides[i] * dims[i];
  return strides;
}

std::vector<std::vector<int64_t>> identity_maps(const ir::Dims& dims) {
  std::vector<std::vector<int64_t>> maps;
  for (int64_t dim : dims) {
    maps.emplace_back(static_cast<size_t>(dim));
    std::iota(maps.back().begin(), maps.back().end(), 0);
  }
  return maps;
}

Result<Tensor> take(const Tensor& in, std::span<const std::vector<int64_t>> maps, const Tensor* fill) {
  if (is_packed(in.dtype())) {
    const Tensor codes = fill != nullptr ? unpack(*fill) : Tensor();
    return unpacked(in, [&](const Tensor& t) { return take(t, maps, fill != nullptr ? &codes : nullptr); });
  }
  if (in.rank() == 0) return in;
  const ir::Dims strides = strides_of(in.dims());
  ir::Dims dims;
  std::vector<std::vector<int64_t>> offsets;
  for (size_t k = 0; k < maps.size(); ++k) {
    dims.push_back(static_cast<int64_t>(maps[k].size()));
    offsets.emplace_back();
    for (int64_t index : maps[k]) {
      EDGESMITH_CHECK(index < in.dims()[k]) << index << " of " << in.dims()[k];
      offsets.back().push_back(index < 0 ? -1 : index * strides[k]);
    }
  }
  return with_word(in.dtype(), [&]<typename Word>() { return take_words<Word>(in, std::move(dims), offsets, fill); });
}

Result<Tensor> rearrange(const Tensor& in, ir::Dims dims, std::span<const int64_t> strides) {
  if (is_packed(in.dtype())) {
    return unpacked(in, [&](const Tensor& codes) { return rearrange(codes, dims, strides); });
  }
  if (dims.empty()) return in.reshaped({});
  EDGESMITH_TRY(check_size(in.dtype(), dims));
  std::vector<std::vector<int64_t>> offsets;
  for (size_t k = 0; k < dims.size(); ++k) {
    offsets.emplace_back();
    for (int64_t i = 0; i < dims[k]; ++i) offsets.back().push_back(i * strides[k]);
  }
  return with_word(in.dtype(),
                   [&]<typename Word>() { return take_words<Word>(in, std::move(dims), offsets, nullptr); });
}

Result<Tensor> permute(const Tensor& in, std::span<const int64_t> perm) {
  const ir::Dims from = strides_of(in.dims());
  ir::Dims dims, strides;
  for (int64_t axis : perm) {
    dims.push_back(in.dims()[static_cast<size_t>(axis)]);
    strides.push_back(from[static_cast<size_t>(axis)]);
  }
  return rearrange(in, std::move(dims), strides);
}

Result<Tensor> join(std::span<const Tensor* const> parts, int axis) {
  const Tensor& first = *parts[0];
  if (is_packed(first.dtype())) {
    std::vector<Tensor> codes;
    std::vector<const Tensor*> pointers;
    for (const Tensor* part : parts) codes.push_back(unpack(*part));
    for (const Tensor& part : codes) pointers.push_back(&part);
    auto joined = join(pointers, axis);
    if (!joined) return joined;
    return pack(*joined, first.dtype());
  }
  const auto at = static_cast<size_t>(axis);
  ir::Dims dims = first.dims();
  for (const Tensor* part : parts.subspan(1)) {
    if (__builtin_add_overflow(dims[at], part->dims()[at], &dims[at])) return invalid_error("dims overflow");
  }
  int64_t outer = 1, inner = 1;
  for (size_t k = 0; k < at; ++k) outer *= dims[k];
  for (size_t k = at + 1; k < dims.size(); ++k) inner *= dims[k];
  return with_word(first.dtype(), [&]<typename Word>() {
    return build<Word>(first.dtype(), std::move(dims), [&](Word* out) {
      for (int64_t row = 0; row < outer; ++row) {
        for (const Tensor* part : parts) {
          const WordReader<Word> source(*part);
          const int64_t run = part->dims()[at] * inner;
          for (int64_t i = 0; i < run; ++i) *out++ = source[row * run + i];
        }
      }
    });
  });
}

Result<Tensor> choose(const Tensor& choice, const Tensor& a, const Tensor& b) {
  if (is_packed(a.dtype())) {
    const Tensor codes_b = unpack(b);
    return unpacked(a, [&](const Tensor& codes_a) { return choose(choice, codes_a, codes_b); });
  }
  return with_word(a.dtype(), [&]<typename Word>() {
    const WordReader<Word> from_a(a), from_b(b);
    const WordReader<uint8_t> chosen(choice);
    return build<Word>(a.dtype(), a.dims(), [&](Word* out) {
      for (int64_t i = 0; i < a.size(); ++i) out[i] = chosen[i] != 0 ? from_a[i] : from_b[i];
    });
  });
}

Tensor unpack(const Tensor& tensor) {
  if (!is_packed(tensor.dtype())) return tensor;
  const int bits = ir::dtype_bits(tensor.dtype()), per_byte = 8 / bits;
  const bool is_signed = tensor.dtype() == DType::i4 || tensor.dtype() == DType::i2;
  Tensor out = Tensor::zeros(is_signed ? DType::i8 : DType::u8, tensor.dims());
  const auto from = tensor.bytes();
  const auto to = out.mutable_bytes();
  for (size_t i = 0; i < to.size(); ++i) {
    const auto shift = i % static_cast<size_t>(per_byte) * static_cast<size_t>(bits);
    int code = static_cast<int>(from[i / static_cast<size_t>(per_byte)] >> shift) & ((1 << bits) - 1);
    if (is_signed && code >= (1 << (bits - 1))) code -= 1 << bits;
    to[i] = static_cast<std::byte>(code);
  }
  return out;
}

Tensor pack(const Tensor& codes, DType dtype) {
  if (!is_packed(dtype)) return codes;
  const int bits = ir::dtype_bits(dtype), per_byte = 8 / bits;
  Tensor out = Tensor::zeros(dtype, codes.dims());
  const auto from = codes.bytes();
  const auto to = out.mutable_bytes();
  for (size_t i = 0; i < from.size(); ++i) {
    const auto code = static_cast<std::byte>(static_cast<unsigned>(from[i]) & ((1u << bits) - 1u));
    to[i / static_cast<size_t>(per_byte)] |= code << (i % static_cast<size_t>(per_byte) * static_cast<size_t>(bits));
  }
  return out;
}

}  // namespace edgesmith::ops
