// SPDX-License-Identifier: Apache-2.0
// A smaller model of the same form, made from a teacher's graph: fewer channels, fewer residual blocks. Inputs and
// results keep their shapes and names.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "edgesmith/base/random.h"
#include "edgesmith/base/result.h"
#include "edgesmith/data/dataset.h"
#include "edgesmith/ir/graph.h"
#include "edgesmith/passes/pass.h"

namespace edgesmith::passes {

/// Which weights a student begins with.
enum class StudentWeights {
  fitted,   ///< the teacher's, refitted layer by layer to what the teacher gives, by least squares
  teacher,  ///< the teacher's as they are, of the channels with the largest weights
  fresh,    ///< random (He et al. 2015, arXiv 1502.01852)
};

struct StudentOptions {
  double width = 1;  ///< share of the channels that stay, of every group of coupled ones
  double depth = 1;  ///< share of the residual blocks with equal input and output shapes that stay
  StudentWeights weights = StudentWeights::fitted;
};

/// Reads "width=0.5", "depth=1/2,weights=fresh". Errors: usage, naming the word and what it takes.
Result<StudentOptions> parse_student(std::string_view text);

/// The student, simplified. Fitting looks at samples of `data`, up to kFittedSamples of them, without labels; `context`
/// lends threads, progress and random numbers, and gets notes. Errors: usage (nothing that may go: no coupled channels,
/// no such blocks; no data to fit to; compressed weights); those of the passes.
Result<ir::Graph> derive_student(const ir::Graph& teacher, const StudentOptions& options, const data::Dataset* data,
                                 PassContext& context);
inline constexpr int64_t kFittedSamples = 1024;

/// A residual block: `add` gives shortcut + branch(shortcut), all of one shape.
struct ResidualBlock {
  ir::Node* add = nullptr;
  ir::Value* shortcut = nullptr;
};
/// The innermost blocks in graph order.
std::vector<ResidualBlock> find_residual_blocks(const ir::Graph& graph);
/// Which of `count` blocks in a row stay when a share of them does: as many as that rounds to, spread evenly.
std::vector<bool> kept_blocks(size_t count, double share);

/// He's weights for every layer that multiplies float32 constants of two dims or more: normal, of variance 2 over the
/// inputs of an output. Where the result goes into one of B residual sums, over B more: the variance stays bounded
/// without norms (Fixup, arXiv 1901.09321). Biases become zero, norms the identity.
void set_fresh_weights(ir::Graph& graph, Random& random);

}  // namespace edgesmith::passes
