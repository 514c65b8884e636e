// SPDX-License-Identifier: Apache-2.0
#include "train/gradient_samples.h"

#include "edgesmith/base/check.h"

namespace edgesmith::train {
namespace {

using enum ir::OpKind;

constexpr std::string_view kVector = "%x: f64[N,3]";
constexpr std::string_view kMatrix = "%x: f64[N,4]";
constexpr std::string_view kPair = "%x: f64[N,3], %z: f64[N,3]";
constexpr std::string_view kStretched = "%x: f64[N,1,4], %z: f64[3,1]";
constexpr std::string_view kUnknown = "%x: f64[A,4], %z: f64[B,4]";  // A is 1, but that is not known before
constexpr std::string_view kPlane = "%x: f64[N,2,5,6]";
constexpr std::string_view kFreePlane = "%x: f64[N,2,H,W]";
constexpr std::string_view kCube = "%x: f64[2,3,4]";

constexpr GradientSample kSamples[] = {
    {abs, kVector, "%y = abs %x"},
    {acos, kVector, "%y = acos %x", "%y", 0.1, 0.8},
    {acosh, kVector, "%y = acosh %x", "%y", 1.2, 2, true},
    {add, kPair, "%y = add %x, %z"},
    {add, kVector, "%y = add %x, %x"},
    {add, kStretched, "%y = add %x, %z"},
    {asin, kVector, "%y = asin %x", "%y", 0.1, 0.8},
    {asinh, kVector, "%y = asinh %x"},
    {atan, kVector, "%y = atan %x"},
    {atanh, kVector, "%y = atanh %x", "%y", 0.1, 0.8},
    {average_pool, kPlane, "%y = average_pool %x {kernel_shape=[2,3], strides=[2,2], pads=[1,0,0,1]}"},
    {average_pool, kPlane,
     "%y = average_pool %x {kernel_shape=[3,3], strides=[2,2], pads=[1,1,1,1], count_include_pad=1, ceil_mode=1}"},
    {average_pool, kFreePlane, "%y = average_pool %x {kernel_shape=[2,2], auto_pad=\"SAME_UPPER\", dilations=[2,1]}"},
    {batch_normalization, "%x: f64[N,3,2,2], %s: f64[3], %b: f64[3], %m: f64[3], %v: f64[3]",
     "%y = batch_normalization %x, %s, %b, %m, %v", "%y", 0.3, 1.2, true},
    {batch_normalization, "%x: f64[N,3], %s: f64[3], %b: f64[3], %m: f64[3], %v: f64[3]",
     "%y = batch_normalization %x, %s, %b, %m, %v {epsilon=0.1}", "%y", 0.3, 1.2, true},
    {batch_normalization, "%x: f64[N], %s: f64[1], %b: f64[1], %m: f64[1], %v: f64[1]",
     "%y = batch_normalization %x, %s, %b, %m, %v", "%y", 0.3, 1.2, true},
    {batch_normalization_training, "%x: f64[N,3,2,3], %s: f64[3], %b: f64[3]",
     "%y, %m, %v = batch_normalization_training %x, %s, %b"},
    {batch_normalization_training, "%x: f64[N,3,H,3], %s: f64[3], %b: f64[3]",
     "%y, %m, %v = batch_normalization_training %x, %s, %b {epsilon=0.1}", "%y, %m, %v"},
    {batch_normalization_training, "%x: f64[5], %s: f64[1], %b: f64[1]",
     "%y, %m, %v = batch_normalization_training %x, %s, %b {epsilon=0.1}", "%y, %v"},
    {batch_normalization_training, "%x: f64[4,2], %s: f64[2], %b: f64[2]",
     "%y, %m, %v = batch_normalization_training %x, %s, %b", "%m, %y"},
    {cast, kVector, "%i = cast %x {to=11}  %y = mul %i, %x"},
    {celu, kVector, "%y = celu %x {alpha=0.7}"},
    {clip, "%x: f64[N,3,4], %a: f64[], %b: f64[1]", "%p = abs %a  %c = neg %p  %d = abs %b  %y = clip %x, %c, %d"},
    {clip, kMatrix, "%b = constant {0.61} : f64[]  %y = clip %x, _, %b"},
    {concat, "%x: f64[N,2,3], %z: f64[N,1,3]", "%y = concat %x, %z {axis=1}"},
    {concat, "%x: f64[N,H], %z: f64[N,W], %u: f64[N,2]", "%y = concat %x, %z, %u {axis=-1}"},
    {conv, "%x: f64[N,3,6,5], %w: f64[4,3,3,2], %b: f64[4]", "%y = conv %x, %w, %b {pads=[1,0,1,1], strides=[2,1]}"},
    {conv, "%x: f64[2,4,7,6], %w: f64[6,2,2,3]", "%y = conv %x, %w {group=2, dilations=[2,1], strides=[3,2]}"},
    {conv, "%x: f64[N,3,5,5], %w: f64[3,1,3,3], %b: f64[3]", "%y = conv %x, %w, %b {group=3, pads=[1,1,1,1]}"},
    {conv, "%x: f64[N,2,9], %w: f64[3,2,2]", "%y = conv %x, %w {strides=[3], pads=[1,0]}"},
    {conv, "%x: f64[1,2,4,3,4], %w: f64[2,2,2,2,2]", "%y = conv %x, %w {pads=[0,1,0,1,0,1], strides=[1,2,1]}"},
    {conv, "%x: f64[N,2,6,7], %w: f64[2,2,3,3]", "%y = conv %x, %w {auto_pad=\"SAME_UPPER\", strides=[2,3]}"},
    {conv, "%x: f64[N,2,H,W], %w: f64[2,2,2,3]", "%y = conv %x, %w {auto_pad=\"SAME_LOWER\", dilations=[2,1]}"},
    {conv, "%x: f64[N,2,H,W], %w: f64[2,2,2,3]", "%y = conv %x, %w {pads=[1,1,0,1], strides=[2,3]}"},
    {conv_transpose, "%x: f64[N,3,3,4], %w: f64[3,2,3,2], %b: f64[2]",
     "%y = conv_transpose %x, %w, %b {strides=[2,3], pads=[1,0,1,1], output_padding=[1,2]}"},
    {conv_transpose, "%x: f64[2,4,3,3], %w: f64[4,2,2,3], %b: f64[4]",
     "%y = conv_transpose %x, %w, %b {group=2, dilations=[2,1]}"},
    {conv_transpose, "%x: f64[2,2,4], %w: f64[2,2,3]",
     "%y = conv_transpose %x, %w {dilations=[2], output_padding=[1], pads=[1,2]}"},
    {conv_transpose, "%x: f64[2,2,3,3], %w: f64[2,1,2,2]",
     "%y = conv_transpose %x, %w {strides=[2,2], output_shape=[8,5]}"},
    {conv_transpose, "%x: f64[N,2,H,W], %w: f64[2,2,3,3]",
     "%y = conv_transpose %x, %w {strides=[2,2], auto_pad=\"SAME_LOWER\"}"},
    {conv_transpose, "%x: f64[N,2,2,3,2], %w: f64[2,1,2,2,2]", "%y = conv_transpose %x, %w {strides=[2,1,1]}"},
    {cos, kVector, "%y = cos %x"},
    {cosh, kVector, "%y = cosh %x"},
    {depth_to_space, "%x: f64[N,8,2,3]", "%y = depth_to_space %x {blocksize=2}"},
    {depth_to_space, "%x: f64[N,8,H,3]", "%y = depth_to_space %x {blocksize=2, mode=\"CRD\"}"},
    {div, kPair, "%y = div %x, %z"},
    {div, kStretched, "%y = div %x, %z"},
    {elu, kVector, "%y = elu %x {alpha=0.7}"},
    {erf, kVector, "%y = erf %x"},
    {exp, kVector, "%y = exp %x"},
    {expand, "%x: f64[3,1]", "%s = constant {2, 1, 4} : i64[3]  %y = expand %x, %s"},
    {flatten, "%x: f64[N,2,3,2]", "%y = flatten %x {axis=2}"},
    {gather, kCube, "%i = constant {2, 0, -1, 2} : i64[2,2]  %y = gather %x, %i {axis=1}"},
    {gather, "%x: f64[N,H]", "%i = constant {1} : i64[]  %y = gather %x, %i {axis=-1}"},
    {gather_gradient, "%x: f64[2,3,4]",
     "%i = constant {1, 0, 1} : i64[3]  %n = constant {3} : i64[1]  %y = gather_gradient %x, %i, %n {axis=1}"},
    {gelu, kVector, "%y = gelu %x"},
    {gelu, kVector, "%y = gelu %x {approximate=\"tanh\"}"},
    {gemm, "%x: f64[N,4], %w: f64[4,3], %b: f64[3]", "%y = gemm %x, %w, %b {alpha=0.7, beta=1.3}"},
    {gemm, "%x: f64[N,4], %w: f64[3,4], %b: f64[]", "%y = gemm %x, %w, %b {transB=1}"},
    {gemm, "%x: f64[4,2], %w: f64[4,3], %b: f64[2,1]", "%y = gemm %x, %w, %b {transA=1, alpha=0.7}"},
    {gemm, "%x: f64[4,2], %w: f64[3,4]", "%y = gemm %x, %w {transA=1, transB=1}"},
    {global_average_pool, kPlane, "%y = global_average_pool %x"},
    {global_average_pool, kFreePlane, "%y = global_average_pool %x"},
    {global_lp_pool, kPlane, "%y = global_lp_pool %x"},
    {global_lp_pool, kPlane, "%y = global_lp_pool %x {p=1}"},
    {global_lp_pool, kFreePlane, "%y = global_lp_pool %x {p=3}"},
    {global_max_pool, kFreePlane, "%y = global_max_pool %x"},
    {hard_sigmoid, kMatrix, "%y = hard_sigmoid %x {alpha=0.9}", "%y", 0.2, 0.5},
    {hard_sigmoid, kMatrix, "%z = identity %x  %h = hard_sigmoid %z {alpha=2.0}  %y = mul %h, %x", "%y", 0.3, 2},
    {hard_swish, kMatrix, "%y = hard_swish %x", "%y", 0.2, 2.9},
    {hard_swish, kMatrix, "%h = hard_swish %x  %y = add %h, %x", "%y", 3.1, 5},
    {identity, kVector, "%y = identity %x"},
    {leaky_relu, kVector, "%y = leaky_relu %x {alpha=0.2}"},
    {log, kVector, "%y = log %x", "%y", 0.3, 2, true},
    {log_softmax, "%x: f64[N,4,3]", "%y = log_softmax %x {axis=1}"},
    {log_softmax, "%x: f64[N,4,3]", "%y = log_softmax %x {axis=1, coerce_2d=1}"},
    {lp_pool, kPlane, "%y = lp_pool %x {kernel_shape=[2,3], strides=[2,1], pads=[1,0,0,1]}"},
    {lp_pool, kFreePlane, "%y = lp_pool %x {kernel_shape=[2,2], p=3}"},
    {lp_pool, kPlane, "%y = lp_pool %x {kernel_shape=[2,2], p=1}"},
    {mat_mul, "%x: f64[N,4], %w: f64[4,3]", "%y = mat_mul %x, %w"},
    {mat_mul, "%x: f64[N,H,4], %w: f64[4,3]", "%y = mat_mul %x, %w"},
    {mat_mul, "%x: f64[N,1,2,4], %w: f64[3,4,2]", "%y = mat_mul %x, %w"},
    {mat_mul, "%x: f64[A,3,4], %w: f64[B,4,2]", "%y = mat_mul %x, %w"},
    {mat_mul, "%x: f64[4], %w: f64[N,4,3]", "%y = mat_mul %x, %w"},
    {mat_mul, "%x: f64[N,3,4], %w: f64[4]", "%y = mat_mul %x, %w"},
    {mat_mul, "%x: f64[4], %w: f64[4]", "%y = mat_mul %x, %w"},
    {mat_mul, "%x: f64[4], %w: f64[4,3]", "%y = mat_mul %x, %w"},
    {max, "%x: f64[N,1,4], %z: f64[3,1], %u: f64[4]", "%y = max %x, %z, %u"},
    {max, kUnknown, "%y = max %x, %z"},
    {max_pool, kPlane, "%y = max_pool %x {kernel_shape=[3,2], strides=[2,1], pads=[1,0,1,1], ceil_mode=1}"},
    {max_pool, kFreePlane, "%y, %i = max_pool %x {kernel_shape=[2,2], strides=[2,2], storage_order=1}"},
    {mean, "%x: f64[N,1,4], %z: f64[3,1], %u: f64[4]", "%y = mean %x, %z, %u"},
    {min, "%x: f64[N,1,4], %z: f64[3,1], %u: f64[4]", "%y = min %x, %z, %u"},
    {mish, kVector, "%y = mish %x"},
    {mod, "%x: f64[N,3], %z: f64[3]", "%y = mod %x, %z {fmod=1}", "%y", 0.3, 1.7},
    {mul, kPair, "%y = mul %x, %z"},
    {mul, kStretched, "%y = mul %x, %z"},
    {mul, kUnknown, "%y = mul %x, %z"},
    {mul, kVector, "%y = mul %x, %x"},
    {neg, kVector, "%y = neg %x"},
    {pad, "%x: f64[N,3,4], %v: f64[]", "%p = constant {0, 1, -1, 0, 2, 1} : i64[6]  %y = pad %x, %p, %v"},
    {pad, "%x: f64[N,H], %v: f64[1]",
     "%p = constant {1, 2} : i64[2]  %a = constant {-1} : i64[1]  %y = pad %x, %p, %v, %a"},
    {pad, kCube, "%p = constant {0, 2, 1, 0, 1, 2} : i64[6]  %y = pad %x, %p {mode=\"reflect\"}"},
    {pad, kCube, "%p = constant {0, 2, -1, 0, 1, 2} : i64[6]  %y = pad %x, %p {mode=\"edge\"}"},
    {pad, "%x: f64[N,4]", "%p = constant {0, 1, 0, 3} : i64[4]  %y = pad %x, %p {mode=\"wrap\"}"},
    {pow, kPair, "%y = pow %x, %z", "%y", 0.4, 1.6, true},
    {pow, kVector, "%e = constant {3} : i64[]  %y = pow %x, %e"},
    {pow, kVector, "%e = constant {2.0, 0.5, -1.0} : f64[3]  %y = pow %x, %e", "%y", 0.4, 1.6, true},
    {prelu, "%x: f64[N,3,4], %z: f64[3,1]", "%y = prelu %x, %z"},
    {reciprocal, kVector, "%y = reciprocal %x", "%y", 0.5, 1.5},
    {reduce_l1, kCube, "%a = constant {1} : i64[1]  %y = reduce_l1 %x, %a"},
    {reduce_l2, kCube, "%a = constant {-1, 0} : i64[2]  %y = reduce_l2 %x, %a {keepdims=0}"},
    {reduce_log_sum, kCube, "%y = reduce_log_sum %x {keepdims=0}", "%y", 0.3, 1.2, true},
    {reduce_log_sum_exp, "%x: f64[N,H,3]", "%a = constant {1} : i64[1]  %y = reduce_log_sum_exp %x, %a {keepdims=0}"},
    {reduce_max, "%x: f64[N,4,3]", "%a = constant {1} : i64[1]  %y = reduce_max %x, %a {keepdims=0}"},
    {reduce_mean, "%x: f64[N,H,3]", "%a = constant {1, 2} : i64[2]  %y = reduce_mean %x, %a {keepdims=0}"},
    {reduce_mean, "%x: f64[N,H,W]", "%y = reduce_mean %x"},
    {reduce_mean, kCube, "%y = reduce_mean %x {noop_with_empty_axes=1}"},
    {reduce_min, kCube, "%y = reduce_min %x {keepdims=0}"},
    {reduce_prod, "%x: f64[N,4]", "%a = constant {1} : i64[1]  %y = reduce_prod %x, %a {keepdims=0}"},
    // Every x is 1: one factor is 0 in the first row, two in the second.
    {reduce_prod, "%x: f64[2,3]",
     "%m = constant {1.0, 0.3, 0.2, 1.0, 0.6, 1.0} : f64[2,3]  %z = sub %x, %m  %a = constant {1} : i64[1]"
     "  %y = reduce_prod %z, %a",
     "%y", 1, 1, true},
    {reduce_sum, "%x: f64[N,4,3]", "%a = constant {0, -1} : i64[2]  %y = reduce_sum %x, %a {keepdims=0}"},
    {reduce_sum_square, kCube, "%a = constant {2} : i64[1]  %y = reduce_sum_square %x, %a"},
    {reduce_sum_square, kCube, "%y = reduce_sum_square %x {noop_with_empty_axes=1}"},
    {relu, kVector, "%y = relu %x"},
    {reshape, "%x: f64[N,6]", "%s = constant {0, 2, -1} : i64[3]  %y = reshape %x, %s"},
    {reshape, "%x: f64[N,H,4]", "%s = constant {-1, 4} : i64[2]  %y = reshape %x, %s"},
    {resize, "%x: f64[N,2,3,4]", "%s = constant {1.0, 1.0, 2.0, 1.5} : f32[4]  %y = resize %x, _, %s"},
    {resize, "%x: f64[N,2,3,4]",
     "%s = constant {1.0, 1.0, 2.0, 0.6} : f32[4]  %y = resize %x, _, %s {mode=\"linear\"}"},
    {resize, "%x: f64[1,2,3,4]",
     "%s = constant {5, 7} : i64[2]  %y = resize %x, _, _, %s {mode=\"cubic\", axes=[2,3],"
     " coordinate_transformation_mode=\"align_corners\"}"},
    {resize, "%x: f64[N,4]",
     "%r = constant {0.0, 0.1, 1.0, 1.3} : f32[4]  %s = constant {1.0, 1.5} : f32[2]  %y = resize %x, %r, %s"
     " {coordinate_transformation_mode=\"tf_crop_and_resize\"}"},
    {selu, kVector, "%y = selu %x"},
    {sigmoid, kVector, "%y = sigmoid %x"},
    {sin, kVector, "%y = sin %x"},
    {sinh, kVector, "%y = sinh %x"},
    {slice, "%x: f64[N,5,4]",
     "%s = constant {1, 0} : i64[2]  %e = constant {4, -1} : i64[2]  %a = constant {1, 2} : i64[2]"
     "  %y = slice %x, %s, %e, %a"},
    {slice, "%x: f64[N,7]",
     "%s = constant {-1} : i64[1]  %e = constant {0} : i64[1]  %a = constant {1} : i64[1]  %k = constant {-2} : i64[1]"
     "  %y = slice %x, %s, %e, %a, %k"},
    {slice, "%x: f64[N,H,W]",
     "%s = constant {1, -3} : i64[2]  %e = constant {9, -1} : i64[2]  %a = constant {1, 2} : i64[2]"
     "  %y = slice %x, %s, %e, %a"},
    {slice, "%x: f64[N,6,H]",
     "%n = shape %x {end=1}  %h = shape %x {start=2}  %t = constant {3} : i64[1]  %l = sub %h, %t"
     "  %s = concat %n, %l {axis=0}  %e = constant {5, 9} : i64[2]  %a = constant {1, 2} : i64[2]"
     "  %y = slice %x, %s, %e, %a"},
    {softmax, "%x: f64[N,4,3]", "%y = softmax %x {axis=1}"},
    {softmax, "%x: f64[N,4,3]", "%y = softmax %x {coerce_2d=1}"},
    {softplus, kVector, "%y = softplus %x"},
    {softsign, kVector, "%y = softsign %x"},
    {space_to_depth, "%x: f64[N,2,4,6]", "%y = space_to_depth %x {blocksize=2}"},
    {split, "%x: f64[N,5]", "%s = constant {2, 3} : i64[2]  %y, %z = split %x, %s {axis=1}", "%y, %z"},
    {split, "%x: f64[N,H]", "%s = constant {2, 2, 1} : i64[3]  %y, %z, %u = split %x, %s {axis=-1}", "%u, %y"},
    {sqrt, kVector, "%y = sqrt %x", "%y", 0.3, 2, true},
    {squeeze, "%x: f64[N,1,3,1]", "%a = constant {1, -1} : i64[2]  %y = squeeze %x, %a"},
    {sub, kPair, "%y = sub %x, %z"},
    {sub, kStretched, "%y = sub %x, %z"},
    {sub, kVector, "%z = exp %x  %y = sub %z, %x"},
    {sum, "%x: f64[N,1,4], %z: f64[3,1], %u: f64[4]", "%y = sum %x, %z, %u"},
    {sum_to_shape, "%x: f64[N,3,4]", "%s = constant {3, 1} : i64[2]  %y = sum_to_shape %x, %s"},
    {tan, kVector, "%y = tan %x"},
    {tanh, kVector, "%y = tanh %x"},
    {thresholded_relu, kMatrix, "%y = thresholded_relu %x {alpha=0.05}"},
    {tile, "%x: f64[N,3,1]", "%r = constant {2, 1, 3} : i64[3]  %y = tile %x, %r"},
    {transpose, "%x: f64[N,3,4]", "%y = transpose %x {perm=[2,0,1]}"},
    {transpose, "%x: f64[N,3,4]", "%y = transpose %x"},
    {unsqueeze, kVector, "%a = constant {0, -1} : i64[2]  %y = unsqueeze %x, %a"},
    {where, "%x: f64[N,3], %z: f64[3]",
     "%c = constant {1, 0, 1} : bool[3]  %k = where %c, %x, %z  %n = constant {0.0} : f64[]  %g = greater %x, %n"
     "  %y = where %g, %k, %z"},
};

}  // namespace

std::span<const GradientSample> gradient_samples() { return kSamples; }

int64_t size_of_symbol(std::string_view symbol) {
  constexpr std::pair<std::string_view, int64_t> kSizes[] = {{"A", 1}, {"B", 3}, {"H", 5}, {"N", 2}, {"W", 4}};
  for (const auto& [name, size] : kSizes) {
    if (name == symbol) return size;
  }
  EDGESMITH_CHECK(false) << "no size for symbol " << std::string(symbol);
  return 0;
}

}  // namespace edgesmith::train
