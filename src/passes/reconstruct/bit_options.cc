// SPDX-License-Identifier: Apache-2.0
#include "passes/reconstruct/bit_options.h"

#include <string>

namespace edgesmith::passes::reconstruct {
namespace {

Status check_budget(const BitOptions& read, const Options& options, const std::string& width,
                    const std::string& counted) {
  const bool sized = read.budget.bytes.has_value(), by_error = read.budget.sqnr_db.has_value();
  if (read.sharing == BitSharing::rate_aware) {
    if (sized && !by_error) return {};
    return usage_error("rate-aware rounding takes a size", "say what " + counted + " may take, such as --size 80000");
  }
  if (!sized && !by_error) return {};
  const std::string given = sized ? "size" : "sqnr";
  if (read.sharing == BitSharing::uniform) {
    return usage_error(given + " is a budget for bits that layers share",
                       "give --bits-per-layer auto or --rounding rate-aware with it");
  }
  const bool both = sized && by_error;
  if (!both && !options.given(width)) return {};
  return usage_error(given + " and " + (both ? "sqnr" : width) + " are two budgets for the same bits",
                     "leave one of them out");
}

}  // namespace

Result<BitOptions> read_bit_options(const Options& options, const char* width, const char* counted) {
  const bool rated = options.word("rounding") == "rate-aware", mixed = options.word("bits_per_layer") == "auto";
  if (rated && mixed) {
    return usage_error("rate-aware rounding shares bits out by itself", "leave --bits-per-layer out");
  }
  BitOptions read;
  if (rated) read.sharing = BitSharing::rate_aware;
  if (mixed) read.sharing = BitSharing::knapsack;
  if (options.is_set("size")) read.budget.bytes = options.integer("size");
  if (options.is_set("sqnr")) read.budget.sqnr_db = options.real("sqnr");
  EDGESMITH_TRY(check_budget(read, options, width, counted));
  return read;
}

OptionRow sqnr_option() {
  return {.name = "sqnr",
          .kind = OptionKind::real,
          .fallback = "",
          .help = "instead of a size: the fewest bytes with this expected ratio of output to error, in dB",
          .min = 0,
          .max = 200};
}

}  // namespace edgesmith::passes::reconstruct
