namespace S3dlio.Tests.Http;

/// <summary>The clock of a machine that is off by <paramref name="by"/>; time passes as always.</summary>
sealed class ShiftedClock(TimeSpan by) : TimeProvider
{
    public override DateTimeOffset GetUtcNow() => base.GetUtcNow() + by;
}
