using System.Globalization;

namespace S3dlio.Tests.Witness;

/// <summary>How many random requests are signed by both.</summary>
static class Signatures
{
    /// <summary>1,000 in all for each vendor; S3DLIO_WITNESS_SIGNATURES=10000 is the long form.</summary>
    public static int Count { get; } =
        int.TryParse(Environment.GetEnvironmentVariable("S3DLIO_WITNESS_SIGNATURES"), NumberStyles.None, CultureInfo.InvariantCulture,
            out int count) ? count : 1000;
}

/// <summary>A clock that stands where the vendor's signature says.</summary>
sealed class StandingClock : TimeProvider
{
    public DateTimeOffset Now { get; set; } = DateTimeOffset.UnixEpoch;

    public override DateTimeOffset GetUtcNow() => Now;
}
