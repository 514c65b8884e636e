// SPDX-License-Identifier: Apache-2.0
// Does it fit? Activations in one planned arena, weights as they are stored. What the runtime itself needs is not in
// any profile, so a model that just fits may still be too large.
#include "edgesmith/runtime/executor.h"
#include "refine/target_check/rules.h"

namespace edgesmith::refine {

void check_memory(const ir::Graph& graph, const targets::Target& target, Findings& findings) {
  MemoryNeed& memory = findings.check.memory;
  for (const ir::Node& node : graph.nodes()) {
    if (node.is(ir::OpKind::constant)) memory.weight_bytes += node.tensor().stored_bytes();
  }
  if (const auto plan = runtime::plan_memory(graph)) memory.activation_bytes = plan->arena_bytes;
  const bool in_flash = target.limits.weights == targets::WeightMemory::flash;
  if (in_flash) memory.flash_bytes = memory.weight_bytes;
  if (memory.activation_bytes) memory.ram_bytes = *memory.activation_bytes + (in_flash ? 0 : memory.weight_bytes);

  const auto bytes = [](int64_t count) { return std::to_string(count) + " bytes"; };
  const std::optional<int64_t> ram = target.device.ram_bytes, flash = target.device.flash_bytes;
  if (!memory.activation_bytes) {
    findings.hint(nullptr, "ram", "not known", "", "shapes are known only while running: fix them when exporting");
  } else if (ram && *memory.ram_bytes > *ram) {
    findings.refuse(nullptr, "ram", bytes(*memory.ram_bytes), bytes(*ram),
                    "use smaller inputs or fewer channels, or quantize: codes take a quarter of the memory");
  }
  if (in_flash && flash && *memory.flash_bytes > *flash) {
    findings.refuse(nullptr, "flash", bytes(*memory.flash_bytes), bytes(*flash),
                    "quantize or prune the weights, or use a smaller model");
  }
}

}  // namespace edgesmith::refine
