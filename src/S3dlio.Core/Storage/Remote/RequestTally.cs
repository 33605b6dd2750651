using S3dlio.Http;

namespace S3dlio.Storage.Remote;

/// <summary>Counts the requests of a store in its <see cref="Tally"/>.</summary>
sealed class RequestTally(Tally tally) : IRequestTally
{
    public void Request() => tally.Request();

    public void Read(long bytes) => tally.Read(bytes);

    public void Wrote(long bytes) => tally.Wrote(bytes);
}
