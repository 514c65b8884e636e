// SPDX-License-Identifier: Apache-2.0
// Finds tensors on the level of the wire format: nothing is imported, and no byte is believed that cannot be written
// again as it was.
#include "pack/find_tensors.h"

#include <algorithm>
#include <functional>

#include "onnx/proto.h"
#include "onnx/sniff.h"
#include "pack/elements.h"

namespace edgesmith::pack {
namespace {

namespace wire = onnx::wire;
using wire::Field;
using wire::Message;
using wire::Reader;
using wire::WireType;

constexpr int kMaxDepth = 64;  ///< of graphs inside graphs

void put_varint(std::string& out, uint64_t value) {
  for (; value > 127; value >>= 7) out.push_back(static_cast<char>((value & 127) | 128));
  out.push_back(static_cast<char>(value));
}

void put_bytes(std::string& out, uint32_t field, std::string_view bytes) {
  put_varint(out, uint64_t{field} << 3 | 2);
  put_varint(out, bytes.size());
  out += bytes;
}

/// The field of a TensorProto that holds elements of `type` one by one.
uint32_t typed_field(int type) {
  switch (type) {
    case 1:
    case 14: return onnx::tensor_field::float_data;
    case 11:
    case 15: return onnx::tensor_field::double_data;
    case 7: return onnx::tensor_field::int64_data;
    case 12:
    case 13: return onnx::tensor_field::uint64_data;
    default: return onnx::tensor_field::int32_data;
  }
}

bool stored_as_varints(int type) {
  const uint32_t field = typed_field(type);
  return field != onnx::tensor_field::float_data && field != onnx::tensor_field::double_data;
}

/// Elements as varints; numbers below zero are extended to 64 bits, as protobuf does.
std::string to_varints(const PackedTensor& tensor) {
  const ElementType type = element_type(tensor.type);
  const auto step = static_cast<size_t>(type.width / 8);
  const bool is_signed = !type.floating() && type.is_signed;
  std::string out;
  for (size_t at = 0; at + step <= tensor.bytes.size(); at += step) {
    uint64_t value = 0;
    for (size_t i = 0; i < step; ++i) value |= uint64_t{static_cast<uint8_t>(tensor.bytes[at + i])} << (8 * i);
    if (is_signed && type.width < 64 && value >> (type.width - 1) != 0) value |= ~uint64_t{0} << type.width;
    put_varint(out, value);
  }
  return out;
}

std::string from_varints(std::string_view payload, int width) {
  wire::Bytes rest = wire::as_bytes(payload);
  std::string out;
  uint64_t value = 0;
  while (!rest.empty() && wire::take_varint(rest, value)) {
    for (int shift = 0; shift < width; shift += 8) out.push_back(static_cast<char>(value >> shift & 255));
  }
  return out;
}

class Finder {
 public:
  explicit Finder(std::span<const ModelFile> files) : files_(files) {}

  Status model() {
    Message message{wire::as_bytes(files_[0].bytes), wire::as_bytes(files_[0].bytes).data()};
    const onnx::Sniffed sniffed = onnx::sniff(message.bytes);
    if (sniffed.sure) return invalid_error(sniffed.what, sniffed.hint);
    bool has_graph = false;
    Reader reader(message);
    for (Field field; reader.next(field);) {
      if (field.is(onnx::model_field::graph, WireType::bytes)) {
        has_graph = true;
        EDGESMITH_TRY(graph(field.message(), 0));
      }
      if (field.is(onnx::model_field::functions, WireType::bytes)) EDGESMITH_TRY(nodes(field.message(), 7, 0));
    }
    if (!reader.status().ok()) {
      if (!reader.cut_off()) return invalid_error("is no ONNX model: " + sniffed.what, sniffed.hint);
      return invalid_error("is cut off " + reader.status().error().message, "the download or the export failed");
    }
    if (!has_graph) return invalid_error(sniffed.what, sniffed.hint);
    return {};
  }

  std::vector<FoundTensor> found;
  std::vector<std::string> locations;

 private:
  Status graph(const Message& message, int depth) {
    if (depth > kMaxDepth) return {};
    Reader reader(message);
    for (Field field; reader.next(field);) {
      if (field.type != WireType::bytes) continue;
      if (field.number == onnx::graph_field::node) EDGESMITH_TRY(node(field.message(), depth));
      if (field.number == onnx::graph_field::initializer) EDGESMITH_TRY(tensor(field, true));
      if (field.number == onnx::graph_field::sparse_initializer) EDGESMITH_TRY(each_tensor(field.message(), 1, 2));
    }
    return reader.status();
  }

  Status nodes(const Message& message, uint32_t number, int depth) {
    Reader reader(message);
    for (Field field; reader.next(field);) {
      if (field.is(number, WireType::bytes)) EDGESMITH_TRY(node(field.message(), depth));
    }
    return reader.status();
  }

  Status node(const Message& message, int depth) {
    Reader reader(message);
    for (Field field; reader.next(field);) {
      if (!field.is(onnx::node_field::attribute, WireType::bytes)) continue;
      Reader attribute(field.message());
      for (Field part; attribute.next(part);) {
        if (part.type != WireType::bytes) continue;
        if (part.number == onnx::attribute_field::t || part.number == onnx::attribute_field::tensors) {
          EDGESMITH_TRY(tensor(part, false));
        }
        if (part.number == onnx::attribute_field::g || part.number == onnx::attribute_field::graphs) {
          EDGESMITH_TRY(graph(part.message(), depth + 1));
        }
      }
      EDGESMITH_TRY(attribute.status());
    }
    return reader.status();
  }

  Status each_tensor(const Message& message, uint32_t first, uint32_t last) {
    Reader reader(message);
    for (Field field; reader.next(field);) {
      if (field.type == WireType::bytes && field.number >= first && field.number <= last) {
        EDGESMITH_TRY(tensor(field, false));
      }
    }
    return reader.status();
  }

  size_t place(const std::byte* at) const { return static_cast<size_t>(at - wire::as_bytes(files_[0].bytes).data()); }

  Status tensor(const Field& field, bool initializer) {
    auto view = onnx::parse_tensor(field.message());
    if (!view) return view.error();
    PackedTensor tensor;
    tensor.type = static_cast<int>(view->data_type);
    const ElementType type = element_type(view->data_type);
    std::string location;
    for (const auto& entry : view->external_data) {
      if (view->external && entry.key == "location") location = entry.value;
    }
    if (!location.empty()) locations.push_back(location);
    if (type.width == 0 || view->segmented || view->dims.size() > PackedTensor::kMaxRank) return {};
    if (view->name.size() > PackedTensor::kMaxName) return {};
    uint64_t count = 1;
    for (const int64_t dim : view->dims) {
      if (dim < 0 || (dim > 0 && count > (uint64_t{1} << 40) / static_cast<uint64_t>(dim))) return {};
      count *= static_cast<uint64_t>(dim);
    }
    if (count == 0) return {};
    tensor.name = view->name;
    tensor.dims = view->dims;
    const uint64_t size = tensor.num_bytes();
    if (view->external) return external(std::move(tensor), *view, location, size);
    wire::Bytes payload;
    Reader reader(field.message());
    int payloads = 0;
    for (Field part; reader.next(part);) {
      const bool raw = part.is(onnx::tensor_field::raw_data, WireType::bytes);
      if (!raw && !part.is(typed_field(tensor.type), WireType::bytes)) continue;
      ++payloads;
      payload = part.bytes;
      tensor.typed = !raw;
    }
    if (payloads != 1) return {};
    tensor.bytes = wire::as_text(payload);
    if (tensor.typed && stored_as_varints(tensor.type)) {
      if (type.width < 8) return {};
      tensor.bytes = from_varints(wire::as_text(payload), type.width);
    }
    if (tensor.bytes.size() != size) return {};
    add(std::move(tensor), field.whole, payload, initializer);
    return {};
  }

  /// Takes the whole message where it can be written anew, else the payload, else nothing.
  void add(PackedTensor&& tensor, wire::Bytes message, wire::Bytes payload, bool initializer) {
    for (const bool whole : {true, false}) {
      if (whole && !initializer) continue;
      const wire::Bytes part = whole ? message : payload;
      tensor.whole = whole;
      std::string written;
      if (!write_tensor(tensor, written) || written != wire::as_text(part)) continue;
      const size_t begin = place(part.data());
      found.push_back({std::move(tensor), 0, begin, begin + part.size()});
      return;
    }
  }

  Status external(PackedTensor&& tensor, const onnx::TensorView& view, const std::string& location, uint64_t size) {
    uint64_t offset = 0;
    for (const auto& entry : view.external_data) {
      if (entry.key != "offset") continue;
      offset = 0;
      for (const char c : entry.value) {
        if (c < '0' || c > '9' || offset > (uint64_t{1} << 50)) return {};
        offset = offset * 10 + static_cast<uint64_t>(c - '0');
      }
    }
    for (size_t i = 1; i < files_.size(); ++i) {
      const std::string& bytes = files_[i].bytes;
      if (files_[i].name != location || offset > bytes.size() || size > bytes.size() - offset) continue;
      tensor.bytes = bytes.substr(offset, size);
      found.push_back({std::move(tensor), i, static_cast<size_t>(offset), static_cast<size_t>(offset + size)});
      break;
    }
    return {};
  }

  std::span<const ModelFile> files_;
};

}  // namespace

bool write_tensor(const PackedTensor& tensor, std::string& out) {
  const bool varints = tensor.typed && stored_as_varints(tensor.type);
  if (varints && element_type(tensor.type).width < 8) return false;
  const std::string written = varints ? to_varints(tensor) : std::string();
  const std::string_view payload = varints ? written : tensor.bytes;
  if (!tensor.whole) {
    out += payload;
    return true;
  }
  std::string head;
  for (const int64_t dim : tensor.dims) {
    head += '\x08';
    put_varint(head, static_cast<uint64_t>(dim));
  }
  head += '\x10';
  put_varint(head, static_cast<uint64_t>(tensor.type));
  std::string tail;
  std::string* name_place = tensor.typed ? &tail : &head;
  if (!tensor.name.empty()) put_bytes(*name_place, onnx::tensor_field::name, tensor.name);
  put_varint(head, uint64_t{tensor.typed ? typed_field(tensor.type) : onnx::tensor_field::raw_data} << 3 | 2);
  put_varint(head, payload.size());
  put_varint(out, uint64_t{onnx::graph_field::initializer} << 3 | 2);
  put_varint(out, head.size() + payload.size() + tail.size());
  out += head;
  out += payload;
  out += tail;
  return true;
}

Result<std::vector<FoundTensor>> find_tensors(std::span<const ModelFile> files) {
  Finder finder(files);
  EDGESMITH_TRY(finder.model());
  std::vector<FoundTensor>& found = finder.found;
  std::stable_sort(found.begin(), found.end(), [](const FoundTensor& a, const FoundTensor& b) {
    return a.file != b.file ? a.file < b.file : a.begin < b.begin;
  });
  std::vector<FoundTensor> kept;
  for (FoundTensor& one : found) {
    if (!kept.empty() && kept.back().file == one.file && one.begin < kept.back().end) continue;
    kept.push_back(std::move(one));
  }
  return kept;
}

Result<std::vector<std::string>> external_locations(const ModelFile& model) {
  Finder finder({&model, 1});
  EDGESMITH_TRY(finder.model());
  std::sort(finder.locations.begin(), finder.locations.end());
  finder.locations.erase(std::unique(finder.locations.begin(), finder.locations.end()), finder.locations.end());
  return finder.locations;
}

}  // namespace edgesmith::pack
