// SPDX-License-Identifier: Apache-2.0
// What the nodes of a model cost on a device in float32 and in int8, as measured there (edgesmith.costs/1).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "edgesmith/base/result.h"
#include "edgesmith/ir/graph.h"

namespace edgesmith::passes {

/// The time to turn reals into codes, or codes into reals, with everything that the runtime does for it (layouts).
struct ConversionTime {
  double us = 0;              ///< for each
  double us_per_element = 0;  ///< and for each of its elements
  double of(int64_t elements) const { return us + us_per_element * static_cast<double>(elements); }
};

/// What one node cost in one file.
struct NodeTime {
  double us = 0;
  std::string inside;  ///< key of the node whose kernel did this one too (then `us` is 0); "" for none
};

/// A node of both files, by its key.
struct NodeCosts {
  std::string node, op;
  std::optional<NodeTime> float32, int8;  ///< absent: that file has no such node
};

/// A file that was measured.
struct MeasuredModel {
  std::string path, sha256;
  double us = 0;  ///< of a whole run
};

/// A file that `select` chose before, and that was measured.
struct MeasuredMixture {
  MeasuredModel model;
  std::vector<std::string> float32;  ///< keys of the nodes that are floats in it and could be codes
};

struct Costs {
  std::string runtime, version, cpu;  ///< "ONNX Runtime", "1.32.0", "AMD EPYC"
  int64_t threads = 1;
  MeasuredModel float32, int8;
  std::vector<NodeCosts> nodes;
  ConversionTime quantize, dequantize;
  std::vector<MeasuredMixture> mixtures;
};

/// Names for the nodes of a graph that stay the same from file to file: a node's own name where it is the only one of
/// that name, else the name of its first output. By node id.
std::vector<std::string> node_keys(const ir::Graph& graph);

/// The file's text.
std::string costs_json(const Costs& costs);
/// Errors: io; invalid (no such file, members missing, of the wrong kind or negative), naming `path` and the member.
Result<Costs> read_costs(const std::string& path);

}  // namespace edgesmith::passes
