// SPDX-License-Identifier: Apache-2.0
#include "executor_flags.h"

#include "edgesmith/base/text.h"

namespace edgesmith::cli {

Result<runtime::ExecutorOptions> ExecutorFlags::options(const Common& common, int threads) const {
  auto found = runtime::find_arithmetic(arithmetic);
  if (!found) return usage_error("--arithmetic: " + found.error().message, found.error().hint);
  auto out = executor_options(common, threads);
  if (!out) return out;
  out->reference = reference;
  out->arithmetic = *found;
  out->reassociate = reassociate && !no_reassociate;
  return out;
}

void add_executor_options(Command* command, ExecutorFlags& flags, Common& common) {
  command->add_flag("--reference", flags.reference, "run the clear kernels instead of the fast ones");
  add_kernel_options(command, flags, common);
}

void add_kernel_options(Command* command, ExecutorFlags& flags, Common& common) {
  if (flags.reassociate) {
    command->add_flag("--no-reassociate", flags.no_reassociate,
                      "sum as eval does, in one fixed order: no Winograd convolutions");
  }
  command
      ->add_option("--arithmetic", flags.arithmetic,
                   "how quantized operators compute: " + join(runtime::arithmetic_words(), ", ") + " (default " +
                       flags.arithmetic + ")")
      ->type_name("NAME");
  add_memory_option(command, common);
}

}  // namespace edgesmith::cli
