// SPDX-License-Identifier: Apache-2.0
// What the report says of a choice.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "passes/prune/structured/candidates.h"

namespace edgesmith::passes::prune {

/// Records of the groups of which no channel may go, with the reason.
void record_what_stays(const Candidates& candidates, PassContext& context);

/// The largest groups of which no channel may go, with the reason, for an error: "'fc': its 10 channels stay: ..."; ""
/// when every group may shrink.
std::string what_stays(const Candidates& candidates);

/// Notes on how much of the model goes, and a record of every layer that loses channels or goes with its branch.
/// `removed` by place, `gone` by channel id. Before anything is taken out of the graph.
void record_choice(const Candidates& candidates, const ChannelSettings& settings, const std::vector<int64_t>& removed,
                   const std::vector<bool>& gone, PassContext& context);

}  // namespace edgesmith::passes::prune
