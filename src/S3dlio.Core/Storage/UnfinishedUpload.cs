namespace S3dlio.Storage;

/// <summary>A multipart upload that was begun and neither completed nor aborted: one under way, or what a process that died left.</summary>
/// <param name="Key">The object it would have become.</param>
/// <param name="Id">The server's name for it.</param>
/// <param name="Begun">When, where the server says.</param>
public sealed record UnfinishedUpload(string Key, string Id, DateTimeOffset? Begun)
{
    /// <summary>True when it was begun at least that long ago. An upload of unknown age matches only where no age is asked for.</summary>
    public bool IsOlderThan(TimeSpan age, DateTimeOffset now) => age <= TimeSpan.Zero || now - Begun >= age;
}
