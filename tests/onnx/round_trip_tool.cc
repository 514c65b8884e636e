// SPDX-License-Identifier: Apache-2.0
// onnx_round_trip IN.onnx OUT.onnx: imports and exports, nothing else. For tests/oracle/roundtrip.py.
#include <cstdio>

#include "edgesmith/onnx/export.h"
#include "edgesmith/onnx/import.h"

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  const auto graph = edgesmith::onnx::import_file(argv[1]);
  if (!graph) {
    std::fprintf(stderr, "%s\n", graph.error().text().c_str());
    return edgesmith::exit_code_of(graph.error().kind);
  }
  const auto summary = edgesmith::onnx::export_file(*graph, argv[2]);
  if (!summary) {
    std::fprintf(stderr, "%s\n", summary.error().text().c_str());
    return edgesmith::exit_code_of(summary.error().kind);
  }
  std::printf("%s opset %lld, %llu bytes\n", summary->sha256.c_str(), static_cast<long long>(summary->opset),
              static_cast<unsigned long long>(summary->bytes));
  for (const std::string& note : summary->notes) std::printf("note: %s\n", note.c_str());
  return 0;
}
