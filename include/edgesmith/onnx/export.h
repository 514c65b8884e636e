// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "edgesmith/base/file.h"
#include "edgesmith/base/result.h"
#include "edgesmith/ir/graph.h"

namespace edgesmith::onnx {

/// How annotations become Q/DQ nodes.
enum class QdqStyle {
  ort,  ///< Q and DQ on every annotated value, int32 biases behind DequantizeLinear (ONNX Runtime CPU)
};

struct ExportOptions {
  QdqStyle style = QdqStyle::ort;
  bool hash = true;  ///< false: leave ExportSummary::sha256 empty. Hashing takes longer than writing
  Existing existing = Existing::replace;
};

struct ExportSummary {
  std::string sha256;              ///< of the .onnx file
  uint64_t bytes = 0;              ///< of the file and its external data
  int64_t opset = 0;               ///< of the default domain, as written
  std::vector<std::string> notes;  ///< "opset raised from 11 to 13: per-channel DequantizeLinear needs it", ...
};

/// Writes the graph atomically as ONNX: the source's opset, raised only as far as needed; external data to
/// `<path>.data` when the source had them or the file would pass 2 GB. Errors: io, unsupported; usage, where a model
/// has got that name by now and is to be kept.
Result<ExportSummary> export_file(const ir::Graph& graph, const std::string& path, const ExportOptions& options = {});

/// The bytes that export_bytes() would give, without making them.
Result<uint64_t> export_size(const ir::Graph& graph, const ExportOptions& options = {});

/// The same into memory (no external data); `bytes` of reports and caches.
Result<std::string> export_bytes(const ir::Graph& graph, const ExportOptions& options = {});

}  // namespace edgesmith::onnx
