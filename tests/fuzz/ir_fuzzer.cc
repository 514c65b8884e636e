// SPDX-License-Identifier: Apache-2.0
// libFuzzer entry: any bytes as the text form of a graph. What parses prints as a text that parses and prints the same.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "edgesmith/ir/text.h"
#include "edgesmith/ir/verifier.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  namespace ir = edgesmith::ir;
  const auto graph = ir::parse(std::string_view(reinterpret_cast<const char*>(data), size));
  if (!graph) return 0;
  if (!ir::verify(*graph)) return 0;  // whoever reads a text verifies it before anything else
  const std::string text = ir::print(*graph, {.max_elements = 0});
  const auto again = ir::parse(text);
  if (!again || ir::print(*again, {.max_elements = 0}) != text) std::abort();
  return 0;
}
