// SPDX-License-Identifier: Apache-2.0
// Where the results of steps are kept (docs/cache.md), as the command line says.
#pragma once

#include <optional>
#include <string>

#include "command.h"
#include "edgesmith/refine/step_cache.h"

namespace edgesmith::cli {

struct CacheFlags {
  bool off = false;    ///< --no-cache
  std::string folder;  ///< --cache-dir; "": the default one
};

/// Adds --no-cache and --cache-dir.
void add_cache_options(Command* command, CacheFlags& flags);
/// The folder that they mean, for all that is kept; "": none.
std::string cache_folder(const CacheFlags& flags);
/// The cache to use; absent: none. Errors: usage (EDGESMITH_CACHE_LIMIT is no size).
Result<std::optional<refine::StepCache>> open_cache(const CacheFlags& flags);

}  // namespace edgesmith::cli
