// SPDX-License-Identifier: Apache-2.0
#include "onnx/wire.h"

#include <bit>
#include <cstring>

namespace edgesmith::onnx::wire {
namespace {

constexpr uint32_t kMaxField = (1u << 29) - 1;

uint64_t little_endian(Bytes bytes) {
  uint64_t value = 0;
  for (size_t i = bytes.size(); i-- > 0;) value = value << 8 | std::to_integer<uint64_t>(bytes[i]);
  return value;
}

}  // namespace

float Field::float32() const { return std::bit_cast<float>(static_cast<uint32_t>(scalar)); }

bool take_varint(Bytes& bytes, uint64_t& value) {
  value = 0;
  for (size_t i = 0; i < 10 && i < bytes.size(); ++i) {
    const auto byte = std::to_integer<uint64_t>(bytes[i]);
    value |= (byte & 0x7f) << (7 * i);
    if ((byte & 0x80) == 0) {
      bytes = bytes.subspan(i + 1);
      return true;
    }
  }
  return false;
}

bool Reader::fail(const std::byte* at, std::string what, bool cut_off) {
  status_ = invalid_error("at byte " + std::to_string(at - origin_) + ": " + std::move(what));
  cut_off_ = cut_off;
  rest_ = {};
  return false;
}

bool Reader::read_varint(uint64_t& value) {
  const Bytes before = rest_;
  if (take_varint(rest_, value)) return true;
  const bool cut_off = before.size() < 10;
  return fail(before.data(), cut_off ? "the data end inside a number" : "a number has more than 10 bytes", cut_off);
}

bool Reader::next(Field& field) {
  if (rest_.empty()) return false;
  const Bytes begin = rest_;
  uint64_t key = 0;
  if (!read_varint(key)) return false;
  const uint64_t number = key >> 3;
  if (number == 0 || number > kMaxField)
    return fail(begin.data(), "no field has the number " + std::to_string(number), false);
  field.number = static_cast<uint32_t>(number);
  field.origin = origin_;
  field.scalar = 0;
  field.bytes = {};
  uint64_t length = 0;
  switch (key & 7) {
    case 0:
      field.type = WireType::varint;
      if (!read_varint(field.scalar)) return false;
      break;
    case 1: field.type = WireType::fixed64, length = 8; break;
    case 2:
      field.type = WireType::bytes;
      if (!read_varint(length)) return false;
      break;
    case 5: field.type = WireType::fixed32, length = 4; break;
    default: return fail(begin.data(), "wire type " + std::to_string(key & 7) + " does not occur in ONNX", false);
  }
  if (length > rest_.size()) {
    return fail(begin.data(),
                "field " + std::to_string(number) + " needs " + std::to_string(length) + " bytes, " +
                    std::to_string(rest_.size()) + " are left",
                true);
  }
  const Bytes payload = rest_.first(static_cast<size_t>(length));
  rest_ = rest_.subspan(static_cast<size_t>(length));
  if (field.type == WireType::bytes) field.bytes = payload;
  if (field.type == WireType::fixed32 || field.type == WireType::fixed64) field.scalar = little_endian(payload);
  field.whole = begin.first(begin.size() - rest_.size());
  return true;
}

bool append_integers(const Field& field, std::vector<int64_t>& out) {
  if (field.type == WireType::varint) {
    out.push_back(field.integer());
    return true;
  }
  if (field.type != WireType::bytes) return false;
  Bytes rest = field.bytes;
  uint64_t value = 0;
  while (!rest.empty()) {
    if (!take_varint(rest, value)) return false;
    out.push_back(static_cast<int64_t>(value));
  }
  return true;
}

std::string& Writer::tail() {
  if (pieces_.empty() || pieces_.back().owned.empty()) pieces_.emplace_back();
  return pieces_.back().owned;
}

void Writer::raw_varint(uint64_t value) {
  std::string& out = tail();
  const size_t before = out.size();
  do {
    const auto low = static_cast<char>(value & 0x7f);
    value >>= 7;
    out.push_back(static_cast<char>(low | (value != 0 ? 0x80 : 0)));
  } while (value != 0);
  size_ += out.size() - before;
}

void Writer::tag(uint32_t number, WireType type) { raw_varint(uint64_t{number} << 3 | static_cast<uint64_t>(type)); }

void Writer::varint(uint32_t number, uint64_t value) {
  tag(number, WireType::varint);
  raw_varint(value);
}

void Writer::float32(uint32_t number, float value) {
  tag(number, WireType::fixed32);
  const auto bits = std::bit_cast<uint32_t>(value);
  for (int i = 0; i < 4; ++i) tail().push_back(static_cast<char>(bits >> (8 * i) & 0xff));
  size_ += 4;
}

void Writer::text(uint32_t number, std::string_view value) {
  tag(number, WireType::bytes);
  raw_varint(value.size());
  tail().append(value);
  size_ += value.size();
}

void Writer::view(uint32_t number, Bytes value) { view(number, value, nullptr); }

void Writer::view(uint32_t number, Bytes value, std::shared_ptr<const void> owner) {
  constexpr size_t kCopied = 256;  // a small payload is cheaper copied than as a piece of its own
  if (value.size() <= kCopied) {
    text(number, as_text(value));
    return;
  }
  tag(number, WireType::bytes);
  raw_varint(value.size());
  pieces_.push_back({{}, value, std::move(owner)});
  size_ += value.size();
}

void Writer::message(uint32_t number, Writer&& sub) {
  tag(number, WireType::bytes);
  raw_varint(sub.size_);
  for (Piece& piece : sub.pieces_) {
    if (piece.owned.empty()) {
      pieces_.push_back(std::move(piece));
    } else {
      tail().append(piece.owned);
    }
  }
  size_ += sub.size_;
}

void Writer::encoded(Bytes fields) {
  if (fields.empty()) return;
  tail().append(as_text(fields));
  size_ += fields.size();
}

std::string Writer::str() const {
  std::string out;
  out.reserve(size_);
  for_each_piece([&](Bytes bytes) { out.append(as_text(bytes)); });
  return out;
}

}  // namespace edgesmith::onnx::wire
