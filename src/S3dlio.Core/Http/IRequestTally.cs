namespace S3dlio.Http;

/// <summary>Counts the requests of whoever sends them.</summary>
interface IRequestTally
{
    /// <summary>A request is sent.</summary>
    void Request();

    /// <summary>Bytes of an answer's body have come.</summary>
    void Read(long bytes);

    /// <summary>So many bytes of a request's body are sent.</summary>
    void Wrote(long bytes);
}
