// SPDX-License-Identifier: Apache-2.0
// The protobuf wire format, read in place and written in pieces.
//
// Reading gives views into the (mapped) file: nothing is copied, files may exceed protobuf's 2 GB, every length is
// checked against the bytes that are there, and a field we do not know is a view like any other, so that it can be
// written back byte for byte. Writing collects small owned pieces and views of large ones (raw tensor data).
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "edgesmith/base/result.h"

namespace edgesmith::onnx::wire {

using Bytes = std::span<const std::byte>;

inline std::string_view as_text(Bytes bytes) { return {reinterpret_cast<const char*>(bytes.data()), bytes.size()}; }
inline Bytes as_bytes(std::string_view text) { return {reinterpret_cast<const std::byte*>(text.data()), text.size()}; }

enum class WireType : uint8_t { varint = 0, fixed64 = 1, bytes = 2, fixed32 = 5 };

/// A (sub)message, and where its file begins (so that errors can say at which byte something is wrong).
struct Message {
  Bytes bytes;
  const std::byte* origin = nullptr;
};

/// One field of a message.
struct Field {
  uint32_t number = 0;
  WireType type = WireType::varint;
  uint64_t scalar = 0;  ///< of varint, fixed32 and fixed64
  Bytes bytes;          ///< of WireType::bytes: the payload
  Bytes whole;          ///< tag, length and payload
  const std::byte* origin = nullptr;

  bool is(uint32_t wanted, WireType wanted_type) const { return number == wanted && type == wanted_type; }
  std::string_view text() const { return as_text(bytes); }
  Message message() const { return {bytes, origin}; }
  int64_t integer() const { return static_cast<int64_t>(scalar); }
  float float32() const;
};

/// Walks the fields of a message: `Reader r(m); Field f; while (r.next(f)) ...; if (!r.status().ok()) ...`.
class Reader {
 public:
  explicit Reader(const Message& message) : rest_(message.bytes), origin_(message.origin) {}
  /// The next field; false at the end and when the bytes are malformed (see status()).
  bool next(Field& field);
  /// invalid, "at byte 17: field 7 needs 100 bytes, 42 are left".
  const Status& status() const { return status_; }
  /// True when the message ended inside a field that was well formed so far: the file was cut off.
  bool cut_off() const { return cut_off_; }

 private:
  bool fail(const std::byte* at, std::string what, bool cut_off);
  bool read_varint(uint64_t& value);

  Bytes rest_;
  const std::byte* origin_;
  Status status_;
  bool cut_off_ = false;
};

/// Takes one varint from the front of `bytes`; false when it is malformed.
bool take_varint(Bytes& bytes, uint64_t& value);
/// Appends the elements of a repeated integer field, packed or not. False when malformed.
bool append_integers(const Field& field, std::vector<int64_t>& out);

/// A message under construction. Views added by reference must outlive it.
class Writer {
 public:
  void varint(uint32_t number, uint64_t value);
  void integer(uint32_t number, int64_t value) { varint(number, static_cast<uint64_t>(value)); }
  void float32(uint32_t number, float value);
  void text(uint32_t number, std::string_view value);
  /// Text that is left out when empty, as proto3 does.
  void optional_text(uint32_t number, std::string_view value) {
    if (!value.empty()) text(number, value);
  }
  /// Bytes by reference.
  void view(uint32_t number, Bytes value);
  /// Bytes that live as long as `owner`.
  void view(uint32_t number, Bytes value, std::shared_ptr<const void> owner);
  void message(uint32_t number, Writer&& sub);
  /// Fields that are already encoded (tag and all), copied.
  void encoded(Bytes fields);

  uint64_t size() const { return size_; }
  /// Calls `sink(Bytes)` for every piece in order.
  template <typename Sink>
  void for_each_piece(Sink&& sink) const {
    for (const Piece& piece : pieces_) sink(piece.owned.empty() ? piece.view : as_bytes(piece.owned));
  }
  std::string str() const;

 private:
  struct Piece {
    std::string owned;
    Bytes view;
    std::shared_ptr<const void> owner;
  };
  void raw_varint(uint64_t value);
  void tag(uint32_t number, WireType type);
  std::string& tail();

  std::vector<Piece> pieces_;
  uint64_t size_ = 0;
};

}  // namespace edgesmith::onnx::wire
