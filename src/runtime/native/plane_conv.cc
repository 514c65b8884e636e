// SPDX-License-Identifier: Apache-2.0
#include "runtime/native/plane_conv.h"

#include <algorithm>
#include <array>
#include <span>

#include "runtime/native/packing.h"
#include "runtime/native/split.h"

namespace edgesmith::runtime::native {

namespace {

// Packing a vector costs about as much as multiplying it with this many weights.
constexpr int64_t kPackingCost = 6;
// Planes read in place lie far apart, and often so that they evict each other from the first-level cache: with this
// many times as many output channels as sums are long, packing pays for itself.
constexpr int64_t kExpansion = 4;
// Outputs that do not fit the second-level cache are written in as few streams as possible, where the padded inputs,
// which are then read once for each group of channels, do fit.
constexpr int64_t kCacheBytes = int64_t{1} << 20;
// Planes are read where they lie where what a call reads and writes is less than this, or a sample where panels would
// be packed otherwise. Larger planes come from further away, for which one copy in a row serves better than many short
// streams (measured: 8x224x224 to 32 channels takes 1.7 times as long without it, 128 samples of 32x16x16 1.5 times).
constexpr int64_t kMaskedBytes = 2 * kCacheBytes;
// Columns of a tile, on any instruction set.
constexpr int kMostColumns = kMostTileVectors * 16;
// Longer sums are made in several passes, so that a panel stays in the second-level cache.
constexpr int64_t kPassLength = 1024;

// Scratch: padded planes, a panel, the sums of a tile that goes to several places, the offset of every k.
struct Scratch {
  Scratch(const PlaneConv& s, const NativeTable& table, std::byte* base) {
    const auto take = [&](int64_t bytes) {
      std::byte* p = base == nullptr ? nullptr : base + used;
      used += round_up(bytes, 64);
      return p;
    };
    padded = reinterpret_cast<float*>(take(s.padded_floats * 4));
    panel = reinterpret_cast<float*>(take((std::min(s.k, kPassLength) * table.nr + table.lanes) * 4));
    tile = reinterpret_cast<float*>(take(s.group_out * table.nr * 4));
    offsets = reinterpret_cast<int64_t*>(take(s.k * 8));
  }
  float *padded, *panel, *tile;
  int64_t* offsets;
  int64_t used = 0;
};

// A run of a tile's columns that are neighbours in the output, counted from the first plane.
struct Target {
  int64_t pixel;
  int column, length;
};

// What a thread needs while it makes one tile after the other.
struct Workspace {
  float *panel, *tile;
  std::array<Segment, kMostColumns> segments;
  std::array<Target, kMostColumns> targets;
  int num_segments = 0, num_targets = 0;

  void clear() { num_segments = num_targets = 0; }
  void add_segment(const Segment& segment) { segments[static_cast<size_t>(num_segments++)] = segment; }
  // Adds a run, or lengthens the last one when both are neighbours in the output.
  void add_target(int64_t pixel, int column, int length) {
    Target* last = num_targets > 0 ? &targets[static_cast<size_t>(num_targets) - 1] : nullptr;
    if (last != nullptr && last->pixel + last->length == pixel) {
      last->length += length;
    } else {
      targets[static_cast<size_t>(num_targets++)] = {pixel, column, length};
    }
  }
  std::span<const Target> runs() const { return {targets.data(), static_cast<size_t>(num_targets)}; }
};

class Convolution {
 public:
  Convolution(const KernelCall& call, const PlaneConv& conv, const NativeTable& table, const Scratch& scratch,
              const PlaneConvOperands& operands)
      : call_(call),
        s_(conv),
        table_(table),
        scratch_(scratch),
        weights_(operands.weights),
        input_(operands.input),
        bias_(operands.bias),
        residual_(operands.residual),
        output_(operands.output) {
    if (s_.masked) return;
    int64_t* offset = scratch_.offsets;
    for (int64_t c = 0; c < s_.group_channels; ++c) {
      for (const int64_t tap : s_.layout.taps) *offset++ = c * s_.layout.plane() + tap;
    }
  }

  void run() {
    const auto runs_of = [](int64_t total, int64_t most) { return (total + most - 1) / most; };
    const int64_t nanoseconds = s_.pixels * s_.out_channels * s_.k / kFloatProductsNs;
    if (s_.packed) {
      lay_out(0, s_.samples);
      const int64_t vectors = round_up(s_.samples * s_.pixels, table_.lanes) / table_.lanes;
      split(call_, runs_of(vectors, table_.packed_vectors), s_.samples * nanoseconds,
            [&](int64_t first, int64_t end, std::byte* scratch) {
              Workspace work = workspace(scratch);
              for (int64_t g = 0; g < s_.groups; ++g) run_packed(g, first, end, work);
            });
      return;
    }
    const int64_t step = s_.masked && !s_.sweeps ? s_.samples : 1;
    const int64_t pixel_runs = runs_of(step * vectors_of_plane(), table_.packed_vectors);
    const int64_t channel_runs = runs_of(s_.group_out, table_.packed_rows);
    const bool by_pixels = call_.pool == nullptr || pixel_runs >= channel_runs;
    for (int64_t n = 0; n < s_.samples; n += step) {
      lay_out(n, step);
      split(call_, by_pixels ? pixel_runs : channel_runs, step * nanoseconds,
            [&](int64_t first, int64_t end, std::byte* scratch) {
              Workspace work = workspace(scratch);
              for (int64_t g = 0; g < s_.groups; ++g) {
                if (by_pixels && !s_.sweeps) {
                  run_direct(n, step, g, 0, s_.group_out, first, end, work);
                } else {
                  for_even_runs_between(s_.group_out, table_.packed_rows, by_pixels ? 0 : first,
                                        by_pixels ? channel_runs : end, [&](int64_t channel, int64_t count) {
                                          run_direct(n, step, g, channel, count, by_pixels ? first : 0,
                                                     by_pixels ? end : pixel_runs, work);
                                        });
                }
              }
            });
    }
  }

 private:
  Workspace workspace(std::byte* scratch) const {
    const Scratch own(s_, table_, scratch);
    Workspace work;
    work.panel = own.panel;
    work.tile = own.tile;
    return work;
  }

  // Vectors of outputs of a plane: those of a row, row by row.
  int64_t vectors_of_row() const { return round_up(s_.width, table_.lanes) / table_.lanes; }
  int64_t vectors_of_plane() const { return s_.rows * vectors_of_row(); }
  // Floats of a plane as it is read.
  int64_t plane() const { return s_.masked ? s_.layout.height * s_.layout.width : s_.layout.plane(); }

  // Pads the planes of `count` samples from `first` on.
  void lay_out(int64_t first, int64_t count) {
    source_ = input_ + first * s_.channels * plane();
    if (s_.layout.in_place || s_.masked) return;
    const int64_t plane = s_.layout.height * s_.layout.width;
    const float* from = input_ + first * s_.channels * plane;
    const int64_t planes = count * s_.channels;
    split(call_, planes, planes * s_.layout.plane() * 4 / kBytesNs, [&](int64_t begin, int64_t last, std::byte*) {
      for (int64_t c = begin; c < last; ++c) {
        s_.layout.copy(table_, from + c * plane, scratch_.padded + c * s_.layout.plane(), 0.0F);
      }
    });
    float* end = scratch_.padded + count * s_.channels * s_.layout.plane();
    std::fill(end, end + table_.nr, 0.0F);
    source_ = scratch_.padded;
  }

  // What is added to the outputs at `out`, or null.
  const float* residual_at(const float* out) const {
    return residual_ == nullptr ? nullptr : residual_ + (out - output_);
  }

  const float* group_source(int64_t group) const { return source_ + group * s_.group_channels * plane(); }

  // A tile of `rows` output channels of a group.
  Tile tile_of(int64_t group, int64_t first_row, int64_t rows) const {
    const int64_t channel = group * s_.group_out + first_row;
    Tile tile = {};
    tile.a = weights_ + channel * s_.k;
    tile.packed_k = s_.k;
    tile.rows = rows;
    tile.k = s_.k;
    tile.row_bias = bias_ == nullptr ? nullptr : bias_ + channel;
    tile.c = output_ + channel * s_.pixels;
    tile.ldc = s_.pixels;
    tile.residual = residual_at(tile.c);
    tile.epilogue = &call_.epilogue;
    return tile;
  }

  // Of the outputs of `samples` samples from `sample` on: some rows, and some runs of vectors.
  void run_direct(int64_t sample, int64_t samples, int64_t group, int64_t first_row, int64_t rows, int64_t first_run,
                  int64_t end_run, Workspace& work) const {
    const int64_t vectors = samples * vectors_of_plane();
    for_even_runs_between(vectors, table_.packed_vectors, first_run, end_run, [&](int64_t first, int64_t count) {
      Tile tile = tile_of(group, first_row, rows);
      tile.b = group_source(group);
      tile.vectors = static_cast<int>(count);
      const bool past_end = place_vectors(tile, sample, first);
      if (s_.masked) {
        tile.offsets = s_.masked->offsets.data();
        tile.taps = static_cast<int64_t>(s_.masked->offsets.size());
        tile.ldb = plane();
        return table_.gemm_tile(tile);
      }
      tile.offsets = scratch_.offsets;
      if (past_end && s_.layout.in_place) {  // whole vectors would be read past the end of the input
        work.clear();
        for (int v = 0; v < tile.vectors; ++v) work.add_segment({tile.source[v], tile.count[v], v * table_.lanes});
        run_panel(tile, group, work);
      } else {
        table_.gemm_tile(tile);
      }
    });
  }

  // Where the vectors of a tile come from and go to: those from `first` on, counted from the plane of `sample`. Whether
  // one of them is not full.
  bool place_vectors(Tile& tile, int64_t sample, int64_t first) const {
    const int64_t of_row = vectors_of_row(), of_plane = vectors_of_plane();
    const int64_t pitch = s_.masked ? s_.layout.width : s_.layout.pitch;
    int64_t n = first / of_plane, index = first % of_plane, y = index / of_row, x = index % of_row * table_.lanes;
    bool past_end = false;
    for (int v = 0; v < tile.vectors; ++v, ++index, x += table_.lanes) {
      if (x >= s_.width) {
        x = 0;
        if (++y == s_.rows) y = index = 0, ++n;
      }
      tile.source[v] = n * s_.channels * plane() + y * pitch + x;
      tile.target[v] = (sample + n) * s_.out_channels * s_.pixels + y * s_.width + x;
      tile.count[v] = static_cast<int>(std::min<int64_t>(table_.lanes, s_.width - x));
      if (s_.masked) tile.masks[v] = s_.masked->of_vector(index);
      past_end = past_end || tile.count[v] < table_.lanes;
    }
    return past_end;
  }

  // Packs the segments, whose vectors lie side by side, and multiplies.
  void run_panel(Tile& tile, int64_t group, const Workspace& work) const {
    tile.ldb = tile.vectors * table_.lanes;
    for (int v = 0; v < tile.vectors; ++v) tile.source[v] = static_cast<int64_t>(v) * table_.lanes;
    tile.offsets = nullptr;
    tile.b = work.panel;
    if (s_.k == 0) return table_.gemm_tile(tile);
    const Epilogue none;
    const float* const residual = tile.residual;
    const Epilogue* const epilogue = tile.epilogue;
    for_even_runs(s_.k, kPassLength, [&](int64_t first, int64_t count) {
      table_.pack_panel(group_source(group), scratch_.offsets + first, count, work.segments.data(), work.num_segments,
                        work.panel, static_cast<int>(tile.ldb));
      tile.first_k = first;
      tile.k = count;
      tile.add = first > 0;
      const bool last = first + count == s_.k;
      tile.epilogue = last ? epilogue : &none;
      tile.residual = last ? residual : nullptr;
      table_.gemm_tile(tile);
    });
  }

  void run_packed(int64_t group, int64_t first_run, int64_t end_run, Workspace& work) const {
    const int64_t total = s_.samples * s_.pixels, vectors = round_up(total, table_.lanes) / table_.lanes;
    for_even_runs_between(vectors, table_.packed_vectors, first_run, end_run, [&](int64_t first, int64_t count) {
      const int64_t begin = first * table_.lanes, end = std::min(total, begin + count * table_.lanes);
      find_segments(begin, end, work);
      Tile tile = tile_of(group, 0, s_.group_out);
      set_vectors(tile, table_, end - begin);
      if (targets_straight(tile, work)) return run_panel(tile, group, work);
      float* planes = tile.c;
      const Epilogue none;
      set_vectors(tile, table_, end - begin);
      tile.c = work.tile;
      tile.ldc = table_.nr;
      tile.residual = nullptr;
      if (residual_ != nullptr) tile.epilogue = &none;
      run_panel(tile, group, work);
      for (int64_t r = 0; r < s_.group_out; ++r) {
        const float* from = work.tile + r * table_.nr;
        for (const Target& t : work.runs()) {
          float* to = planes + r * s_.pixels + t.pixel;
          if (residual_ == nullptr) {
            std::copy(from + t.column, from + t.column + t.length, to);
          } else {
            table_.binary(Binary::add, from + t.column, 1, residual_at(to), 1, to, t.length, call_.epilogue);
          }
        }
      }
    });
  }

  // Where the pixels [begin, end) of all samples come from and go to.
  void find_segments(int64_t begin, int64_t end, Workspace& work) const {
    const int64_t sample_floats = s_.channels * s_.layout.plane();
    work.clear();
    for (int64_t p = begin; p < end;) {
      const int64_t sample = p / s_.pixels, pixel = p % s_.pixels;
      const int64_t y = pixel / s_.width, x = pixel % s_.width;
      const auto length = static_cast<int>(std::min(s_.width - x, end - p));
      work.add_segment({sample * sample_floats + y * s_.layout.pitch + x, length, static_cast<int>(p - begin)});
      work.add_target(sample * s_.out_channels * s_.pixels + pixel, static_cast<int>(p - begin), length);
      p += length;
    }
  }

  // Whether every vector of the tile lies in one run; then the tile stores straight into the output.
  bool targets_straight(Tile& tile, const Workspace& work) const {
    const std::span<const Target> targets = work.runs();
    size_t t = 0;
    for (int v = 0; v < tile.vectors; ++v) {
      const int column = v * table_.lanes;
      while (targets[t].column + targets[t].length <= column) ++t;
      if (targets[t].column + targets[t].length < column + tile.count[v]) return false;
      tile.target[v] = targets[t].pixel + column - targets[t].column;
    }
    return true;
  }

  const KernelCall& call_;
  const PlaneConv& s_;
  const NativeTable& table_;
  const Scratch& scratch_;
  const float *weights_, *input_, *bias_, *residual_, *source_ = nullptr;
  float* output_;
};

}  // namespace

PlaneConv plane_conv(PlaneLayout layout, int64_t samples, int64_t channels, int64_t groups, int64_t out_channels,
                     const NativeTable& table) {
  PlaneConv s;
  s.layout = std::move(layout);
  s.samples = samples;
  s.channels = channels;
  s.group_channels = channels / groups;
  s.groups = groups;
  s.out_channels = out_channels;
  s.group_out = out_channels / groups;
  s.pixels = s.layout.out_height * s.layout.out_width;
  s.k = s.group_channels * static_cast<int64_t>(s.layout.taps.size());
  // A plane without anything between its rows counts as one row.
  s.rows = s.layout.pitch == s.layout.out_width ? 1 : s.layout.out_height;
  s.width = s.pixels / std::max<int64_t>(1, s.rows);
  const int64_t packed = round_up(s.samples * s.pixels, table.lanes) * (s.group_out + kPackingCost);
  const auto direct = [&](int64_t rows, int64_t width) {
    return s.samples * rows * round_up(width, table.lanes) * s.group_out;
  };
  s.packed = packed < direct(s.rows, s.width) || (s.layout.in_place && s.group_out >= kExpansion * s.k);
  if (table.masks_taps && !s.layout.in_place && s.pixels > 0 && can_mask_taps(s.layout)) {
    const int64_t rows = masked_rows(s.layout);
    const int64_t bytes = 4 * (channels * s.layout.height * s.layout.width + out_channels * s.pixels);
    if ((s.packed ? bytes : s.samples * bytes) < kMaskedBytes && direct(rows, s.pixels / rows) <= packed) {
      s.masked = mask_taps(s.layout, table.lanes);
      s.rows = rows;
      s.width = s.pixels / rows;
      s.packed = false;
    }
  }
  s.sweeps = !s.packed && !s.layout.in_place && s.group_channels * s.layout.plane() * 4 <= kCacheBytes &&
             s.group_out * s.pixels * 4 > kCacheBytes;
  const int64_t kept = s.layout.in_place || s.masked ? 0 : s.channels * (s.packed ? s.samples : 1);
  s.padded_floats = kept * s.layout.plane() + table.nr;
  return s;
}

int64_t plane_conv_scratch(const PlaneConv& conv, const NativeTable& table) {
  return Scratch(conv, table, nullptr).used;
}

void run_plane_conv(const KernelCall& call, const PlaneConv& conv, const NativeTable& table,
                    const PlaneConvOperands& operands) {
  const Scratch scratch(conv, table, call.scratch);
  Convolution(call, conv, table, scratch, operands).run();
}

}  // namespace edgesmith::runtime::native
