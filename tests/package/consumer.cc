// SPDX-License-Identifier: Apache-2.0
// Loads a model, simplifies it, and prints the number of nodes before and after.
#include <cstdio>

#include "edgesmith/onnx/import.h"
#include "edgesmith/passes/pass.h"

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  auto graph = edgesmith::onnx::import_file(argv[1]);
  if (!graph) {
    std::fprintf(stderr, "%s\n", graph.error().text().c_str());
    return 1;
  }
  const int before = graph->num_nodes();
  edgesmith::passes::PassContext context;
  const edgesmith::passes::PassInfo* simplify = edgesmith::passes::find_pass("simplify");
  auto change = run_pass(*simplify, *graph, edgesmith::passes::Options(simplify->options()), context);
  if (!change) return 1;
  std::printf("%d -> %d\n", before, graph->num_nodes());
  return graph->num_nodes() < before ? 0 : 1;
}
