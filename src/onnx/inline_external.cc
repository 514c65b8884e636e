// SPDX-License-Identifier: Apache-2.0
#include "onnx/inline_external.h"

#include "onnx/tensor_io.h"

namespace edgesmith::onnx {
namespace {

using wire::Field;
using wire::Message;
using wire::WireType;

/// Rewrites messages from the node down to its tensors. Subgraphs are no deeper than the importer allows.
class Inliner {
 public:
  explicit Inliner(ExternalData& files) : files_(files) {}

  /// The kinds of message on the way; each says which of its fields lead further down, and to what.
  enum class Kind { node, attribute, graph, sparse_tensor, tensor };

  Result<std::string> rewrite(const Message& message, Kind kind) {
    if (kind == Kind::tensor) return rewrite_tensor(message);
    wire::Writer out;
    wire::Reader reader(message);
    Field field;
    while (reader.next(field)) {
      const std::optional<Kind> below = field.type == WireType::bytes ? kind_of(kind, field.number) : std::nullopt;
      if (!below) {
        out.encoded(field.whole);
        continue;
      }
      auto part = rewrite(field.message(), *below);
      if (!part) return part.error();
      out.text(field.number, *part);
    }
    return out.str();
  }

  bool changed() const { return changed_; }

 private:
  static std::optional<Kind> kind_of(Kind kind, uint32_t field) {
    switch (kind) {
      case Kind::node: return field == node_field::attribute ? std::optional(Kind::attribute) : std::nullopt;
      case Kind::attribute:
        if (field == attribute_field::g || field == attribute_field::graphs) return Kind::graph;
        if (field == attribute_field::t || field == attribute_field::tensors) return Kind::tensor;
        if (field == attribute_field::sparse_tensor || field == attribute_field::sparse_tensors) {
          return Kind::sparse_tensor;
        }
        return std::nullopt;
      case Kind::graph:
        if (field == graph_field::node) return Kind::node;
        if (field == graph_field::initializer) return Kind::tensor;
        return field == graph_field::sparse_initializer ? std::optional(Kind::sparse_tensor) : std::nullopt;
      case Kind::sparse_tensor: return field <= 2 ? std::optional(Kind::tensor) : std::nullopt;
      case Kind::tensor: return std::nullopt;
    }
    return std::nullopt;
  }

  Result<std::string> rewrite_tensor(const Message& message) {
    const auto view = parse_tensor(message);
    if (!view) return view.error();
    if (!view->external) return std::string(wire::as_text(message.bytes));
    auto tensor = decode_tensor(*view, nullptr, files_);
    if (!tensor) return tensor.error();
    changed_ = true;
    return encode_tensor(*tensor, view->name, view->extra).str();
  }

  ExternalData& files_;
  bool changed_ = false;
};

/// True when `bytes` may hold an external tensor: a field external_data (13) with "location" in it.
bool may_be_external(wire::Bytes bytes) { return wire::as_text(bytes).find("location") != std::string_view::npos; }

}  // namespace

Result<std::optional<std::string>> inline_external_data(const Message& node, ExternalData& files) {
  if (!may_be_external(node.bytes)) return std::optional<std::string>();
  Inliner inliner(files);
  auto rewritten = inliner.rewrite(node, Inliner::Kind::node);
  if (!rewritten) return rewritten.error();
  return inliner.changed() ? std::optional(*std::move(rewritten)) : std::nullopt;
}

}  // namespace edgesmith::onnx
