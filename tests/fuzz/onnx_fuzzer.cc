// SPDX-License-Identifier: Apache-2.0
// libFuzzer entry: any bytes as an .onnx. What the importer takes must go out again, and what went out must come in.
#include <cstdint>
#include <cstdlib>
#include <span>

#include "edgesmith/ir/verifier.h"
#include "edgesmith/onnx/export.h"
#include "edgesmith/onnx/import.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  namespace onnx = edgesmith::onnx;
  const auto bytes = std::as_bytes(std::span<const uint8_t>(data, size));
  // A folder that is not there: external data are never found.
  const auto graph = onnx::import_bytes(bytes, nullptr, "/nowhere", "fuzzed");
  if (!graph) {
    if (graph.error().kind == edgesmith::ErrorKind::internal) std::abort();
    return 0;
  }
  if (!edgesmith::ir::verify(*graph)) std::abort();
  const auto written = onnx::export_bytes(*graph);
  if (!written) {
    if (written.error().kind == edgesmith::ErrorKind::internal) std::abort();
    return 0;
  }
  const auto again = onnx::import_bytes(std::as_bytes(std::span<const char>(*written)), nullptr, "/nowhere", "written");
  if (!again) __builtin_trap();
  return 0;
}
