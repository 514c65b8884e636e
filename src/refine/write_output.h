// SPDX-License-Identifier: Apache-2.0
// The file that a run leaves: ONNX, or packed where its name ends in .esm (docs/pack.md).
#pragma once

#include <string>

#include "edgesmith/base/result.h"
#include "edgesmith/base/thread_pool.h"
#include "edgesmith/onnx/export.h"

namespace edgesmith::refine {

/// Bytes of the model as a file of that name holds it, external data within. Errors: those of exporting and packing.
Result<int64_t> output_bytes(const ir::Graph& graph, const std::string& path, ThreadPool& pool);

/// Writes `graph` to `path`. A packed file goes by way of an ONNX file beside it, which is removed. The summary is of
/// what was written; its opset and notes are those of the ONNX model. Errors: io, unsupported; usage, where a file that
/// is to be kept has got that name by now: the graph is then in "NAME-2.onnx", or with the next number that is free.
Result<onnx::ExportSummary> write_output(const ir::Graph& graph, const std::string& path, ThreadPool& pool,
                                         const onnx::ExportOptions& options = {});

}  // namespace edgesmith::refine
