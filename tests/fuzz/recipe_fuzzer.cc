// SPDX-License-Identifier: Apache-2.0
// libFuzzer entry: any bytes as a recipe. What is read prints as a recipe that is read and prints the same.
//
// The passes themselves are not linked: two of our own stand for them, with one option of every kind.
#include <array>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "edgesmith/passes/pass.h"
#include "edgesmith/refine/recipe.h"

namespace edgesmith::passes {
namespace {

const OptionSchema& some_options() {
  static const OptionSchema schema = {
      {"flag", OptionKind::flag, "false", "a flag"},
      {"whole", OptionKind::integer, "4", "a number", 1, 64},
      {"share", OptionKind::real, "0.5", "a number", 0, 1},
      {"word", OptionKind::word, "one", "a word", 0, 0, {"one", "two"}},
      {"only", OptionKind::text_list, "", "a list"},
  };
  return schema;
}

Result<Change> do_nothing(ir::Graph&, const Options&, PassContext&) { return Change::none; }

constexpr std::array kPasses = {
    PassInfo{"simplify", "first", some_options, do_nothing, true, false},
    PassInfo{"quantize", "second", some_options, do_nothing, true, true},
};

}  // namespace

std::span<const PassInfo> all_passes() { return kPasses; }

const PassInfo* find_pass(std::string_view name) {
  for (const PassInfo& pass : kPasses) {
    if (pass.name == name) return &pass;
  }
  return nullptr;
}

}  // namespace edgesmith::passes

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  namespace refine = edgesmith::refine;
  const std::string text(reinterpret_cast<const char*>(data), size);
  const auto recipe = refine::parse_recipe(text, "fuzzed", "");
  if (!recipe) {
    if (recipe.error().kind == edgesmith::ErrorKind::internal) std::abort();
    return 0;
  }
  const std::string printed = refine::print_recipe(*recipe);
  const auto again = refine::parse_recipe(printed, "printed", "");
  if (!again || refine::print_recipe(*again) != printed) std::abort();
  return 0;
}
