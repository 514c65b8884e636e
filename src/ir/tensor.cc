// SPDX-License-Identifier: Apache-2.0
#include "edgesmith/ir/tensor.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <mutex>

#include "ir/scan.h"

namespace edgesmith::ir {

struct Tensor::Parts {
  Tensor codes, side;
  Quant quant;
  int axis = 0;
};

struct Tensor::AlignedCopy {
  std::once_flag once;
  std::unique_ptr<uint64_t[]> words;
};

namespace {

template <typename To, typename From>
void convert(std::span<const From> from, std::vector<To>& to) {
  to.resize(from.size());
  for (size_t i = 0; i < from.size(); ++i) to[i] = static_cast<To>(from[i]);
}

// Element `i` of a packed 2- or 4-bit tensor as an integer.
int64_t packed_code(std::span<const std::byte> bytes, int64_t i, int bits, bool is_signed) {
  const int per_byte = 8 / bits;
  const int shift = static_cast<int>(i % per_byte) * bits;
  const int code = (static_cast<int>(bytes[static_cast<size_t>(i / per_byte)]) >> shift) & ((1 << bits) - 1);
  return is_signed && code >= (1 << (bits - 1)) ? code - (1 << bits) : code;
}

template <typename To>
std::vector<To> convert_dense(const Tensor& tensor) {
  std::vector<To> out;
  switch (tensor.dtype()) {
    case DType::f32: convert<To>(tensor.data<float>(), out); break;
    case DType::f64: convert<To>(tensor.data<double>(), out); break;
    case DType::i8: convert<To>(tensor.data<int8_t>(), out); break;
    case DType::u8: convert<To>(tensor.data<uint8_t>(), out); break;
    case DType::i16: convert<To>(tensor.data<int16_t>(), out); break;
    case DType::u16: convert<To>(tensor.data<uint16_t>(), out); break;
    case DType::i32: convert<To>(tensor.data<int32_t>(), out); break;
    case DType::u32: convert<To>(tensor.data<uint32_t>(), out); break;
    case DType::i64: convert<To>(tensor.data<int64_t>(), out); break;
    case DType::u64: convert<To>(tensor.data<uint64_t>(), out); break;
    case DType::boolean: convert<To>(tensor.data<bool>(), out); break;
    case DType::f16:
    case DType::bf16: {
      const auto bytes = tensor.bytes();
      for (int64_t i = 0; i < tensor.size(); ++i) {
        uint16_t bits;
        std::memcpy(&bits, bytes.data() + 2 * i, 2);
        out.push_back(static_cast<To>(tensor.dtype() == DType::f16 ? half_to_float(bits) : bfloat16_to_float(bits)));
      }
      break;
    }
    case DType::i4:
    case DType::u4:
    case DType::i2:
    case DType::u2: {
      const bool is_signed = tensor.dtype() == DType::i4 || tensor.dtype() == DType::i2;
      for (int64_t i = 0; i < tensor.size(); ++i) {
        out.push_back(static_cast<To>(packed_code(tensor.bytes(), i, dtype_bits(tensor.dtype()), is_signed)));
      }
      break;
    }
    case DType::undefined:
    case DType::string:
    case DType::c64:
    case DType::c128:
    case DType::f8e4m3fn:
    case DType::f8e4m3fnuz:
    case DType::f8e5m2:
    case DType::f8e5m2fnuz:
    case DType::f4e2m1:
    case DType::f8e8m0: EDGESMITH_CHECK(false) << "no numbers in a tensor of " << dtype_name(tensor.dtype());
  }
  return out;
}

// Index of the scale of flat element `i`: per channel along `axis`, or per block of `block_size` along it.
int64_t scale_index(const Quant& quant, const Dims& dims, int64_t i) {
  if (quant.per_tensor() || quant.scale.size() == 1) return 0;
  int64_t inner = 1;
  for (size_t d = static_cast<size_t>(quant.axis) + 1; d < dims.size(); ++d) inner *= dims[d];
  const int64_t channels = dims[static_cast<size_t>(quant.axis)];
  const int64_t channel = (i / inner) % channels;
  if (quant.block_size <= 0) return channel;
  const int64_t blocks = (channels + quant.block_size - 1) / quant.block_size;
  return ((i / inner / channels) * blocks + channel / quant.block_size) * inner + i % inner;
}

// How many neighbouring elements share a scale.
int64_t scale_run(const Quant& quant, const Dims& dims, int64_t size) {
  if (quant.per_tensor() || quant.scale.size() == 1) return size;
  if (quant.block_size > 0) return 1;
  int64_t inner = 1;
  for (size_t d = static_cast<size_t>(quant.axis) + 1; d < dims.size(); ++d) inner *= dims[d];
  return inner;
}

// reals = (codes - zero point) * scale.
template <typename Code>
void dequantize(std::span<const Code> codes, const Quant& quant, const Dims& dims, std::span<float> reals) {
  const auto size = static_cast<int64_t>(codes.size()), run = scale_run(quant, dims, size);
  for (int64_t first = 0; first < size; first += run) {
    const auto k = static_cast<size_t>(scale_index(quant, dims, first));
    const auto zero_point = static_cast<std::common_type_t<Code, int32_t>>(quant.zero_point[k]);
    const float scale = quant.scale[k];
    for (auto i = static_cast<size_t>(first); i < static_cast<size_t>(first + run); ++i) {
      reals[i] = static_cast<float>(codes[i] - zero_point) * scale;
    }
  }
}

}  // namespace

Tensor::Tensor() = default;
Tensor::Tensor(const Tensor& other) = default;
Tensor::Tensor(Tensor&& other) noexcept = default;
Tensor& Tensor::operator=(const Tensor& other) = default;
Tensor& Tensor::operator=(Tensor&& other) noexcept = default;
Tensor::~Tensor() = default;

void Tensor::wrong_access(DType asked) const {
  EDGESMITH_CHECK(asked == dtype_ && encoding_ == Encoding::dense)
      << "tensor is " << dtype_name(dtype_) << ", encoding " << static_cast<int>(encoding_) << ", asked for dense "
      << dtype_name(asked);
  std::abort();
}

Tensor::Tensor(DType dtype, Dims dims, std::span<const std::byte> bytes, std::shared_ptr<const void> owner)
    : dtype_(dtype), dims_(std::move(dims)), size_(num_elements(dims_)), bytes_(bytes), owner_(std::move(owner)) {
  EDGESMITH_CHECK(size_ >= 0 && static_cast<int64_t>(bytes.size()) == packed_bytes(size_, dtype_bits(dtype)))
      << type().text() << " over " << bytes.size() << " bytes";
  if (reinterpret_cast<uintptr_t>(bytes.data()) % 8 != 0) aligned_copy_ = std::make_shared<AlignedCopy>();
}

Tensor Tensor::zeros(DType dtype, Dims dims) {
  if (dtype == DType::string) {
    std::vector<std::string> empty(static_cast<size_t>(num_elements(dims)));
    return strings(std::move(dims), std::move(empty));
  }
  const int64_t bytes = packed_bytes(num_elements(dims), dtype_bits(dtype));
  const size_t words = static_cast<size_t>((bytes + 7) / 8);
  std::shared_ptr<uint64_t[]> storage(new uint64_t[words + 1]());
  const auto* data = reinterpret_cast<const std::byte*>(storage.get());
  return Tensor(dtype, std::move(dims), {data, static_cast<size_t>(bytes)}, storage);
}

Tensor Tensor::strings(Dims dims, std::vector<std::string> values) {
  Tensor t;
  t.dtype_ = DType::string;
  t.dims_ = std::move(dims);
  t.size_ = num_elements(t.dims_);
  EDGESMITH_CHECK(t.size_ == static_cast<int64_t>(values.size()));
  t.strings_ = std::make_shared<const std::vector<std::string>>(std::move(values));
  return t;
}

Tensor Tensor::affine(Tensor codes, Quant quant) {
  Tensor t;
  t.dtype_ = DType::f32;
  t.encoding_ = Encoding::affine;
  t.dims_ = codes.dims();
  t.size_ = codes.size();
  auto parts = std::make_shared<Parts>();
  parts->codes = codes.dense();
  if (codes.encoding() == Encoding::palette) parts->side = std::move(codes);
  parts->quant = std::move(quant);
  t.parts_ = std::move(parts);
  return t;
}

Tensor Tensor::palette(Tensor indices, Tensor codebooks, int axis) {
  Tensor t;
  t.dtype_ = codebooks.dtype();
  t.encoding_ = Encoding::palette;
  t.dims_ = indices.dims();
  t.size_ = indices.size();
  auto parts = std::make_shared<Parts>();
  parts->codes = std::move(indices);
  parts->side = std::move(codebooks);
  parts->axis = axis;
  t.parts_ = std::move(parts);
  return t;
}

Tensor Tensor::sparse(Dims dims, Tensor values, Tensor indices) {
  Tensor t;
  t.dtype_ = values.dtype();
  t.encoding_ = Encoding::sparse;
  t.dims_ = std::move(dims);
  t.size_ = num_elements(t.dims_);
  auto parts = std::make_shared<Parts>();
  parts->codes = std::move(values);
  parts->side = std::move(indices);
  t.parts_ = std::move(parts);
  return t;
}

const Tensor& Tensor::codes() const { return parts_->codes; }
const Quant& Tensor::quant() const { return parts_->quant; }
const Tensor& Tensor::codebooks() const { return parts_->side; }
const Tensor& Tensor::positions() const { return parts_->side; }
int Tensor::palette_axis() const { return parts_->axis; }

int64_t Tensor::palette_group() const {
  const int64_t channels = dims_.empty() ? 1 : dims_[static_cast<size_t>(parts_->axis)];
  const int64_t groups = parts_->side.dims()[0];
  return std::max<int64_t>(1, (channels + groups - 1) / groups);
}

const Tensor* Tensor::as_palette() const {
  if (encoding_ == Encoding::palette) return this;
  return encoding_ == Encoding::affine && parts_->side.valid() ? &parts_->side : nullptr;
}

const std::byte* Tensor::aligned() const {
  if (!aligned_copy_) return bytes_.data();
  std::call_once(aligned_copy_->once, [this] {
    aligned_copy_->words.reset(new uint64_t[bytes_.size() / 8 + 1]);
    if (!bytes_.empty()) std::memcpy(aligned_copy_->words.get(), bytes_.data(), bytes_.size());
  });
  return reinterpret_cast<const std::byte*>(aligned_copy_->words.get());
}

std::span<std::byte> Tensor::mutable_bytes() {
  EDGESMITH_CHECK(owner_.use_count() == 1 && encoding_ == Encoding::dense) << "tensor storage is shared";
  return {const_cast<std::byte*>(bytes_.data()), bytes_.size()};
}

const std::vector<std::string>& Tensor::string_data() const {
  EDGESMITH_CHECK(strings_ != nullptr);
  return *strings_;
}

Tensor Tensor::dense() const {
  switch (encoding_) {
    case Encoding::dense: return *this;
    case Encoding::affine: {
      const Tensor& codes = parts_->codes;
      Tensor out = zeros(DType::f32, dims_);
      if (codes.dtype() == DType::i8) {
        dequantize(codes.data<int8_t>(), parts_->quant, dims_, out.mutable_data<float>());
      } else {
        const std::vector<int64_t> any = codes.to_int64s();
        dequantize(std::span<const int64_t>(any), parts_->quant, dims_, out.mutable_data<float>());
      }
      return out;
    }
    case Encoding::palette: {
      const auto codebooks = parts_->side.bytes();
      const size_t width = codebooks.size() / static_cast<size_t>(std::max<int64_t>(1, parts_->side.size()));
      const auto indices = parts_->codes.bytes();
      const bool packed = parts_->codes.dtype() == DType::u4;
      const int64_t entries = parts_->side.dims()[1], group = palette_group();
      int64_t inner = 1;
      for (size_t d = static_cast<size_t>(parts_->axis) + 1; d < dims_.size(); ++d) inner *= dims_[d];
      const int64_t channels = dims_.empty() ? 1 : dims_[static_cast<size_t>(parts_->axis)];
      Tensor out = zeros(dtype_, dims_);
      std::byte* numbers = out.mutable_bytes().data();
      for (int64_t first = 0, channel = 0; first < size_; first += inner, channel = (channel + 1) % channels) {
        const std::byte* codebook = codebooks.data() + static_cast<size_t>(channel / group * entries) * width;
        for (int64_t i = first; i < first + inner; ++i) {
          auto index = static_cast<size_t>(indices[static_cast<size_t>(packed ? i / 2 : i)]);
          if (packed) index = (index >> (i % 2 * 4)) & 15;
          std::memcpy(numbers + static_cast<size_t>(i) * width, codebook + index * width, width);
        }
      }
      return out;
    }
    case Encoding::sparse: {
      Tensor out = zeros(dtype_, dims_);
      auto bytes = out.mutable_bytes();
      const auto values = parts_->codes.bytes();
      const auto positions = parts_->side.data<int64_t>();
      const size_t width = static_cast<size_t>(dtype_bits(dtype_)) / 8;
      for (size_t k = 0; k < positions.size(); ++k) {
        std::memcpy(bytes.data() + static_cast<size_t>(positions[k]) * width, values.data() + k * width, width);
      }
      return out;
    }
  }
  return *this;
}

std::vector<float> Tensor::to_floats() const { return convert_dense<float>(dense()); }
std::vector<int64_t> Tensor::to_int64s() const { return convert_dense<int64_t>(dense()); }

Tensor Tensor::reshaped(Dims dims) const {
  EDGESMITH_CHECK(encoding_ == Encoding::dense && num_elements(dims) == size_);
  Tensor t = *this;
  t.dims_ = std::move(dims);
  return t;
}

void Tensor::rebase(std::span<const std::byte> bytes) {
  EDGESMITH_CHECK(encoding_ == Encoding::dense && !owns_storage() && bytes.size() == bytes_.size() &&
                  reinterpret_cast<uintptr_t>(bytes.data()) % 8 == 0);
  bytes_ = bytes;
}

int64_t Tensor::stored_bytes() const {
  if (encoding_ == Encoding::dense) {
    if (!strings_) return static_cast<int64_t>(bytes_.size());
    int64_t bytes = 0;
    for (const std::string& s : *strings_) bytes += static_cast<int64_t>(s.size());
    return bytes;
  }
  const Tensor* shared = encoding_ == Encoding::affine ? as_palette() : nullptr;
  int64_t bytes = shared != nullptr ? shared->stored_bytes() : parts_->codes.stored_bytes();
  if (encoding_ != Encoding::affine) bytes += parts_->side.stored_bytes();
  if (encoding_ == Encoding::affine) {
    bytes += static_cast<int64_t>(parts_->quant.scale.size()) * 4 +
             packed_bytes(static_cast<int64_t>(parts_->quant.zero_point.size()), dtype_bits(parts_->quant.dtype));
  }
  return bytes;
}

bool Tensor::identical_to(const Tensor& other) const {
  if (dtype_ != other.dtype_ || dims_ != other.dims_ || encoding_ != other.encoding_) return false;
  if (strings_ || other.strings_) return strings_ && other.strings_ && *strings_ == *other.strings_;
  if (encoding_ == Encoding::dense) {
    return bytes_.data() == other.bytes_.data() || same_bytes(bytes_, other.bytes_);
  }
  if (!parts_->codes.identical_to(other.parts_->codes) || parts_->axis != other.parts_->axis) return false;
  if (encoding_ == Encoding::affine) {
    const Tensor *own = as_palette(), *others = other.as_palette();
    const bool same_form = own == nullptr || others == nullptr ? own == others : own->identical_to(*others);
    return same_form && parts_->quant.same_codes(other.parts_->quant);
  }
  return parts_->side.identical_to(other.parts_->side);
}

float half_to_float(uint16_t bits) {
  const uint32_t sign = static_cast<uint32_t>(bits & 0x8000u) << 16;
  const uint32_t exponent = (bits >> 10) & 31u, mantissa = bits & 1023u;
  if (exponent == 31) return std::bit_cast<float>(sign | 0x7F800000u | (mantissa << 13));
  if (exponent == 0) {
    const float magnitude = std::ldexp(static_cast<float>(mantissa), -24);
    return sign != 0 ? -magnitude : magnitude;
  }
  return std::bit_cast<float>(sign | ((exponent + 112) << 23) | (mantissa << 13));
}

uint16_t float_to_half(float value) {
  const uint32_t bits = std::bit_cast<uint32_t>(value);
  const auto sign = static_cast<uint16_t>((bits >> 16) & 0x8000u);
  if (std::isnan(value)) return static_cast<uint16_t>(sign | 0x7E00u);
  const float magnitude = std::fabs(value);
  if (magnitude >= 65520.0f) return static_cast<uint16_t>(sign | 0x7C00u);
  if (magnitude < 0x1.0p-14f)
    return static_cast<uint16_t>(sign | static_cast<uint16_t>(std::nearbyint(std::ldexp(magnitude, 24))));
  uint32_t m = std::bit_cast<uint32_t>(magnitude) - (112u << 23);
  m += 0xFFFu + ((m >> 13) & 1u);  // round half to even
  return static_cast<uint16_t>(sign | (m >> 13));
}

float bfloat16_to_float(uint16_t bits) { return std::bit_cast<float>(static_cast<uint32_t>(bits) << 16); }

uint16_t float_to_bfloat16(float value) {
  uint32_t bits = std::bit_cast<uint32_t>(value);
  if (std::isnan(value)) return static_cast<uint16_t>((bits >> 16) | 0x40u);
  bits += 0x7FFFu + ((bits >> 16) & 1u);
  return static_cast<uint16_t>(bits >> 16);
}

}  // namespace edgesmith::ir
