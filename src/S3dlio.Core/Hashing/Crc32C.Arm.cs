using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using ArmAes = System.Runtime.Intrinsics.Arm.Aes;
using ArmCrc32 = System.Runtime.Intrinsics.Arm.Crc32;

namespace S3dlio.Hashing;

// ARMv8.1 and later: three lanes of CRC32CX, joined by PMULL, which belongs to the optional cryptographic extension.
public static partial class Crc32C
{
    /// <summary>One lane waits less here than on x64 (two cycles on most cores), so three pay later.</summary>
    const int ArmLanesMinimum = 256;

    /// <summary>Without PMULL a multiplication takes some hundred cycles, so lanes pay later still.</summary>
    const int LanesMinimumWithoutMultiply = 2048;

    internal static uint AppendArm(uint crc, ReadOnlySpan<byte> data) =>
        AppendLanes<Arm, uint>(crc, data, Arm.IsMultiplySupported ? ArmLanesMinimum : LanesMinimumWithoutMultiply);

    /// <summary>The CRC32 extension, and PMULL where there is one.</summary>
    internal readonly struct Arm : IInstructions<uint>
    {
        internal static bool IsSupported
        {
            [MethodImpl(MethodImplOptions.AggressiveInlining)]
            get => ArmCrc32.Arm64.IsSupported;
        }

        internal static bool IsMultiplySupported
        {
            [MethodImpl(MethodImplOptions.AggressiveInlining)]
            get => IsSupported && ArmAes.IsSupported;
        }

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static uint Step(uint state, byte data) => ArmCrc32.ComputeCrc32C(state, data);

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static uint Step(uint state, uint data) => ArmCrc32.ComputeCrc32C(state, data);

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static uint Step(uint state, ulong data) => ArmCrc32.Arm64.ComputeCrc32C(state, data);

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static uint Preset(uint register) => register;

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static uint Register(uint state) => state;

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static uint Reduce(ulong product) => ArmCrc32.Arm64.ComputeCrc32C(0, product);

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static ulong Multiply(uint a, uint b) => ArmAes.IsSupported
            ? ArmAes.PolynomialMultiplyWideningLower(Vector64.Create((ulong)a), Vector64.Create((ulong)b)).AsUInt64().ToScalar()
            : Table.Multiply(a, b);
    }
}
