// SPDX-License-Identifier: Apache-2.0
#include "pack/tensor_stream.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>

#include "edgesmith/base/progress.h"
#include "pack/elements.h"
#include "pack/entry_model.h"
#include "pack/number_model.h"

namespace edgesmith::pack {
namespace {

enum Field { kFlags, kType, kRank, kDim, kGap, kNameSize, kName, kSame, kTop, kTrailing, kCentre, kBook, kUsual };
enum Mode : uint32_t { kNumbers = 0, kCodebook = 1, kSameAs = 2 };

/// How the elements of a tensor are coded.
struct Plan {
  Mode mode = kNumbers;
  NumberParams params;
  std::vector<uint64_t> book;  ///< in order of value
};

uint64_t product(const std::vector<int64_t>& dims) {
  uint64_t count = 1;
  for (const int64_t dim : dims) count *= static_cast<uint64_t>(dim);
  return count;
}

uint64_t count_of(const PackedTensor& tensor) {
  const uint64_t count = product(tensor.dims);
  if (tensor.type == 14 || tensor.type == 15) return 2 * count;
  return element_type(tensor.type).width == 4 ? count + (count & 1) : count;
}

template <typename Word>
uint64_t word_at(const char* at) {
  Word word;
  std::memcpy(&word, at, sizeof word);
  return word;
}

uint64_t load(const std::string& bytes, int width, size_t i) {
  switch (width) {
    case 4: return static_cast<uint8_t>(bytes[i / 2]) >> (4 * (i & 1)) & 15;
    case 8: return static_cast<uint8_t>(bytes[i]);
    case 16: return word_at<uint16_t>(bytes.data() + 2 * i);
    case 32: return word_at<uint32_t>(bytes.data() + 4 * i);
    default: return word_at<uint64_t>(bytes.data() + 8 * i);
  }
}

/// Writes element `i` behind the ones before. Memory is taken 4096 elements at a time.
[[gnu::always_inline]] inline void append(std::string& bytes, int width, size_t i, uint64_t value) {
  if (i % 4096 == 0) bytes.resize((i + 4096) * static_cast<size_t>(width) / 8);
  char* at = bytes.data() + i * static_cast<size_t>(width) / 8;
  switch (width) {
    case 4: *at = static_cast<char>((i & 1) == 0 ? value : static_cast<uint8_t>(*at) | value << 4); break;
    case 8: *at = static_cast<char>(value); break;
    case 16: std::memcpy(at, &value, 2); break;
    case 32: std::memcpy(at, &value, 4); break;
    default: std::memcpy(at, &value, 8);
  }
}

/// Rows are the first dim; a kernel is what lies behind the second, in lines of the last.
void set_shape(const std::vector<int64_t>& dims, uint64_t count, NumberParams& params) {
  params.row = dims.empty() || count == 0 ? 1 : static_cast<size_t>(count / static_cast<uint64_t>(dims[0]));
  params.kernel = 1;
  for (size_t i = 2; i < dims.size(); ++i) params.kernel *= static_cast<size_t>(dims[i]);
  params.line = dims.size() > 3 ? static_cast<size_t>(dims.back()) : 1;
  if (params.row == 0) params.row = 1;
}

/// Numbers in their order: negative floats downwards.
bool less(const ElementType& type, uint64_t a, uint64_t b) {
  const uint64_t sign = uint64_t{1} << (type.width - 1);
  const bool na = (a & sign) != 0, nb = (b & sign) != 0;
  if (na != nb) return na;
  return type.floating() && na ? a > b : a < b;
}

/// The distinct elements when there are at most 256, and so few that a table is worth it.
std::vector<uint64_t> distinct(const PackedTensor& tensor, const ElementType& type, size_t count) {
  std::vector<uint64_t> values;
  if (type.width < 16) return values;
  std::vector<uint64_t> table(1024);
  std::vector<bool> used(1024);
  for (size_t i = 0; i < count; ++i) {
    const uint64_t value = load(tensor.bytes, type.width, i);
    size_t slot = static_cast<size_t>(value * 0x9E3779B97F4A7C15u >> 54);
    while (used[slot] && table[slot] != value) slot = (slot + 1) & 1023;
    if (used[slot]) continue;
    used[slot] = true, table[slot] = value;
    values.push_back(value);
    if (values.size() > 256 || values.size() * 3 > count) return {};
  }
  std::sort(values.begin(), values.end(), [&](uint64_t a, uint64_t b) { return less(type, a, b); });
  return values;
}

/// The element that is seen as zero: 0 where it is frequent or nothing else is known, else the middle one.
int64_t centre_of(const PackedTensor& tensor, const ElementType& type, size_t count) {
  std::vector<size_t> histogram(256);
  for (size_t i = 0; i < count; ++i) ++histogram[static_cast<size_t>(load(tensor.bytes, type.width, i))];
  if (type.is_signed) return 0;
  if (histogram[0] * 8 >= count) return 0;
  size_t below = 0, middle = 0;
  while (middle < 255 && 2 * (below += histogram[middle]) < count) ++middle;
  // Zero points are mostly in the middle: prefer the round one near by.
  return middle >= 120 && middle <= 136 ? 128 : static_cast<int64_t>(middle);
}

template <typename Load>
void measure(NumberParams& params, size_t count, Load&& value) {
  params.has_zeros = false;
  int trailing = params.splitter.type.floating() ? params.splitter.type.mantissa() : 0;
  for (size_t i = 0; i < count; ++i) {
    const Number number = params.splitter.split(value(i));
    if (number.zero) {
      params.has_zeros = true;
      continue;
    }
    params.top = std::max(params.top, number.size);
    if (number.digits != 0) trailing = std::min(trailing, std::countr_zero(number.digits));
  }
  params.trailing = trailing;
  // The middle size: half of the elements are larger.
  std::array<size_t, NumberModel::kSteps> by_size{};
  size_t numbers = 0;
  for (size_t i = 0; i < count; ++i) {
    const Number number = params.splitter.split(value(i));
    if (number.zero) continue;
    ++by_size[static_cast<size_t>(std::min(params.top - number.size, NumberModel::kSteps - 1))];
    ++numbers;
  }
  size_t seen = by_size[0];
  while (2 * seen < numbers) seen += by_size[static_cast<size_t>(++params.usual)];
}

size_t index_of(const std::vector<uint64_t>& book, const ElementType& type, uint64_t value) {
  return static_cast<size_t>(
      std::lower_bound(book.begin(), book.end(), value, [&](uint64_t a, uint64_t b) { return less(type, a, b); }) -
      book.begin());
}

Plan plan_of(const PackedTensor& tensor) {
  Plan plan;
  const ElementType type = element_type(tensor.type);
  const auto count = static_cast<size_t>(count_of(tensor));
  set_shape(tensor.dims, count, plan.params);
  plan.book = distinct(tensor, type, count);
  if (!plan.book.empty()) {
    plan.mode = kCodebook;
    const size_t zero = index_of(plan.book, type, 0);
    const bool has_zero = zero < plan.book.size() && plan.book[zero] == 0;
    plan.params.splitter = {{8, 0, false}, static_cast<int64_t>(has_zero ? zero : plan.book.size() / 2)};
    measure(plan.params, count, [&](size_t i) { return index_of(plan.book, type, load(tensor.bytes, type.width, i)); });
    return plan;
  }
  plan.params.splitter = {type, type.width <= 8 ? centre_of(tensor, type, count) : 0};
  measure(plan.params, count, [&](size_t i) { return load(tensor.bytes, type.width, i); });
  return plan;
}

/// Both directions of an entry: what goes in is `tensor` and `plan`, what comes out is written over them.
template <typename Coder>
bool code_entry(EntryModel& model, Coder& coder, PackedTensor& tensor, Plan& plan) {
  const auto byte = [&](Field field, int value) { return model.byte(coder, field, value); };
  const auto number = [&](Field field, uint64_t value) { return model.number(coder, field, value); };
  const int mode = tensor.same_as >= 0 ? kSameAs : plan.mode;
  const int flags =
      byte(kFlags, (tensor.whole ? 1 : 0) | (tensor.typed ? 2 : 0) | mode << 2 | (plan.params.has_zeros ? 16 : 0));
  tensor.whole = (flags & 1) != 0, tensor.typed = (flags & 2) != 0;
  plan.mode = static_cast<Mode>(flags >> 2 & 3);
  plan.params.has_zeros = (flags & 16) != 0;
  tensor.type = byte(kType, tensor.type);
  const ElementType type = element_type(tensor.type);
  if (type.width == 0 || flags > 31 || plan.mode > kSameAs) return false;
  tensor.dims.resize(static_cast<size_t>(byte(kRank, static_cast<int>(tensor.dims.size()))));
  if (tensor.dims.size() > PackedTensor::kMaxRank) return false;
  uint64_t count = 1;
  for (int64_t& dim : tensor.dims) {
    dim = static_cast<int64_t>(number(kDim, static_cast<uint64_t>(dim)));
    if (dim < 0 || (dim > 0 && count > (uint64_t{1} << 40) / static_cast<uint64_t>(dim))) return false;
    count *= static_cast<uint64_t>(dim);
  }
  tensor.gap = number(kGap, tensor.gap);
  tensor.name.resize(static_cast<size_t>(byte(kNameSize, static_cast<int>(tensor.name.size()))));
  for (char& c : tensor.name) c = static_cast<char>(byte(kName, static_cast<uint8_t>(c)));
  tensor.same_as =
      plan.mode == kSameAs ? static_cast<int64_t>(number(kSame, static_cast<uint64_t>(tensor.same_as))) : -1;
  if (plan.mode == kSameAs || count == 0) return true;
  ElementType coded = type;
  if (plan.mode == kCodebook) {
    coded = {8, 0, false};
    plan.book.resize(static_cast<size_t>(byte(kBook, static_cast<int>(plan.book.size()) - 1)) + 1);
    for (uint64_t& value : plan.book) {
      const uint64_t low = coder.plain(static_cast<uint32_t>(value), std::min(type.width, 32));
      value = type.width == 64 ? low | static_cast<uint64_t>(coder.plain(static_cast<uint32_t>(value >> 32), 32)) << 32
                               : low;
    }
  }
  plan.params.splitter.type = coded;
  plan.params.top = static_cast<int>(number(kTop, static_cast<uint64_t>(plan.params.top)));
  plan.params.usual = byte(kUsual, plan.params.usual);
  if (plan.params.usual >= NumberModel::kSteps) return false;
  if (plan.params.top > (coded.floating() ? (1 << coded.exponent) - 1 : coded.width - 1)) return false;
  if (coded.floating()) {
    plan.params.trailing = byte(kTrailing, plan.params.trailing);
    if (plan.params.trailing > coded.mantissa()) return false;
  }
  if (coded.width <= 8) {
    plan.params.splitter.centre = byte(kCentre, static_cast<int>(plan.params.splitter.centre));
    if (plan.params.splitter.centre >= 1 << coded.width) return false;
  }
  set_shape(tensor.dims, count_of(tensor), plan.params);
  return true;
}

}  // namespace

uint64_t bytes_of(int type, uint64_t count) {
  switch (const int width = element_type(type).width; width) {
    case 0: return 0;
    case 4: return (count + 1) / 2;
    default: return count * static_cast<uint64_t>(width / 8) * (type == 14 || type == 15 ? 2 : 1);
  }
}

uint64_t PackedTensor::num_bytes() const { return bytes_of(type, product(dims)); }

void encode_tensors(std::span<const PackedTensor> tensors, Encoder& encoder) {
  EntryModel entries;
  NumberModel numbers;
  for (const PackedTensor& original : tensors) {
    if (interrupted()) return;
    PackedTensor tensor = original;
    Plan plan;
    if (tensor.same_as < 0) plan = plan_of(tensor);
    (void)code_entry(entries, encoder, tensor, plan);
    if (tensor.same_as >= 0) continue;
    const ElementType type = element_type(tensor.type);
    const auto none = [](size_t, uint64_t) {};
    const auto count = static_cast<size_t>(count_of(tensor));
    if (plan.mode == kCodebook) {
      const auto index = [&](size_t i) { return index_of(plan.book, type, load(original.bytes, type.width, i)); };
      (void)numbers.code(encoder, plan.params, count, index, none);
    } else {
      const auto value = [&](size_t i) { return load(original.bytes, type.width, i); };
      (void)numbers.code(encoder, plan.params, count, value, none);
    }
  }
  encoder.finish();
}

Result<std::vector<PackedTensor>> decode_tensors(uint64_t count, uint64_t first, Decoder& decoder, size_t coded_bytes) {
  // A bit with a probability takes at least log2(4096/4095) bits: there cannot be more of them than this.
  const uint64_t most = (static_cast<uint64_t>(coded_bytes) + 8) * 23000;
  std::vector<PackedTensor> tensors;
  EntryModel entries;
  NumberModel numbers;
  const auto wrong = [&] {
    return invalid_error("tensor " + std::to_string(first + tensors.size()) + " is damaged", "pack the model again");
  };
  for (uint64_t i = 0; i < count; ++i) {
    PackedTensor tensor;
    Plan plan;
    if (!code_entry(entries, decoder, tensor, plan) || decoder.failed()) return wrong();
    if (tensor.same_as >= static_cast<int64_t>(first + i)) return wrong();
    const uint64_t elements = tensor.same_as >= 0 ? 0 : count_of(tensor);
    if (elements > most) return wrong();
    if (elements > 0) {
      const ElementType type = element_type(tensor.type);
      const auto none = [](size_t) { return uint64_t{0}; };
      bool good = true;
      // What is decoded is appended: memory is taken as fast as there is something to put there.
      if (plan.mode == kCodebook) {
        const auto store = [&](size_t at, uint64_t index) {
          good = good && index < plan.book.size();
          append(tensor.bytes, type.width, at, good ? plan.book[static_cast<size_t>(index)] : 0);
        };
        good = numbers.code(decoder, plan.params, static_cast<size_t>(elements), none, store) && good;
      } else {
        const auto store = [&](size_t at, uint64_t value) { append(tensor.bytes, type.width, at, value); };
        good = numbers.code(decoder, plan.params, static_cast<size_t>(elements), none, store);
      }
      if (!good) return wrong();
      tensor.bytes.resize(static_cast<size_t>(tensor.num_bytes()));
    }
    tensors.push_back(std::move(tensor));
  }
  if (decoder.failed() || !decoder.used_up()) return wrong();
  return tensors;
}

}  // namespace edgesmith::pack
