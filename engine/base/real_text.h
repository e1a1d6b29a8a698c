#pragma once

#include <string>

namespace lsmlab {

// The shortest decimal text that reads back as the same number; "inf", "nan" for those.
std::string RealText(double value);

}  // namespace lsmlab
