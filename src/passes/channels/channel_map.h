// SPDX-License-Identifier: Apache-2.0
// The channels of a graph, and what they have to do with each other.
//
//   %a = conv %x, %w        channels of %a: made of rows of %w
//   %b = relu %a            channel c of %b is coupled with channel c of %a: both go or both stay
//   %y = conv %b, %v        reads every channel of %b through columns of %v
//
// A value whose channels are known is *tracked*, along one axis: results of layers with constant weights and what
// element-wise and moving operators make of them. Where a Reshape makes several axes of the tracked one, the outermost
// is followed that all readers can do without slices of: of [N, T, heads * size] as [N, T, heads, size] the heads.
// Coupled channels form a *group*; a group that something needs as a whole (a graph output, an operator without a
// channel relation) is *pinned*.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "edgesmith/ops/op_info.h"
#include "passes/channels/even_groups.h"

namespace edgesmith::passes {

/// The channels of one value.
struct ChannelSpace {
  ir::Value* value = nullptr;
  int axis = 0;
  int64_t size = 0;
  int first = 0;  ///< id of its first channel; those of all spaces are dense
  bool pinned = false;
};

class ChannelMap {
 public:
  /// `graph` must have fresh types. Values with annotations and layers with compressed or shared weights are not
  /// tracked. With `even` a Conv with groups is a layer that mixes, and channels are coupled with those of its other
  /// groups (even_groups.h).
  explicit ChannelMap(ir::Graph& graph, GroupedConvs grouped = GroupedConvs::whole);

  const std::vector<ChannelSpace>& spaces() const { return spaces_; }
  int num_channels() const { return num_channels_; }
  /// Null when the value is not tracked.
  const ChannelSpace* space(const ir::Value* value) const;
  /// How a node makes the channels of its tracked results (several only without mixing); null when they are not
  /// tracked. Links are those of the tracked axes.
  const ops::ChannelRelation* relation(const ir::Node& node) const;
  /// The space of operand `link.operand` when it is tracked along the link's axis, else null.
  const ChannelSpace* linked(const ir::Node& node, const ops::SliceLink& link) const;
  /// The space that a layer reads, or null.
  const ChannelSpace* mixed(const ir::Node& node, const ops::Mixing& mixing) const;
  /// The group of a channel: the smallest id among those coupled with it.
  int group(int channel) const { return groups_[static_cast<size_t>(channel)]; }

 private:
  std::optional<ops::ChannelRelation> mixing_relation(const ir::Node& node, int axis) const;
  std::optional<ops::ChannelRelation> find_relation(const ir::Node& node, int& axis) const;
  std::optional<ops::ChannelRelation> find_links(const ir::Node& node, int axis) const;
  void track(ir::Node& node);
  void pin_what_needs_all(const ir::Graph& graph);
  bool reads_by_channel(const ir::Use& use, const ChannelSpace& space) const;
  void couple(const ir::Graph& graph);
  void couple(int a, int b);

  GroupedConvs grouped_;
  std::vector<ChannelSpace> spaces_;
  std::vector<int> space_of_;                                   ///< by value id; -1: not tracked
  std::vector<std::optional<ops::ChannelRelation>> relations_;  ///< by node id
  std::vector<int> groups_;
  int num_channels_ = 0;
};

}  // namespace edgesmith::passes
