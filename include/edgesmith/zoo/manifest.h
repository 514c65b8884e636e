// SPDX-License-Identifier: Apache-2.0
// A manifest says which models a zoo run works on, each with its data and its recipe (docs/zoo.md).
#pragma once

#include <span>
#include <string>
#include <vector>

#include "edgesmith/base/result.h"
#include "edgesmith/refine/recipe.h"

namespace edgesmith::zoo {

/// One model with all that its run needs.
struct Job {
  std::string name;  ///< of its folder in the results
  /// With the manifest's model, data and settings in place. Every path is absolute but that of the output, which is a
  /// file name in the folder of the job.
  refine::Recipe recipe;
};

struct Manifest {
  std::string path;    ///< absolute
  std::string sha256;  ///< of its text
  std::string folder;  ///< for the results, unless another one is given; absolute
  std::vector<Job> jobs;
};

/// The keys that a manifest may have, for its schema: of "the manifest" and of "[[model]]".
std::vector<refine::RecipeKey> manifest_keys();

/// True for a name that is one of `only`, or that one of its patterns matches; for every name when there are none.
bool is_chosen(const std::string& name, std::span<const std::string> only);

/// Reads a manifest and the recipes that it names, all of them checked. `overrides` are for the recipes of
/// the models that `only` chooses, over what the manifest sets. A model that is not there is no error: its run will say
/// so. Errors: io (manifest or recipe); usage, with the line: unknown keys, no models, a glob that matches nothing, two
/// models of one name.
Result<Manifest> load_manifest(const std::string& path, std::span<const refine::Override> overrides = {},
                               std::span<const std::string> only = {});

}  // namespace edgesmith::zoo
