namespace S3dlio;

/// <summary>
/// Why, where one kind of failure has several causes that are mended in different ways. The numbers are the C ABI's and never change.
/// </summary>
public enum ErrorReason
{
    /// <summary>The kind says it all.</summary>
    None = 0,
    /// <summary>Authentication: the service does not know the access key's id.</summary>
    UnknownAccessKey = 1,
    /// <summary>Authentication: the secret (secret key, account key, shared access signature) does not belong to the login.</summary>
    WrongSecret = 2,
    /// <summary>Authentication: the token or signature was valid once.</summary>
    ExpiredCredentials = 3,
    /// <summary>Authentication: none were given, and none were found.</summary>
    NoCredentials = 4,
    /// <summary>Authentication: the clocks of this machine and the service differ by more than signatures allow.</summary>
    ClockSkew = 5,
    /// <summary>NotFound: the bucket or container is not there, so no object of it is.</summary>
    NoSuchBucket = 6,
    /// <summary>NotFound: the storage account is not there.</summary>
    NoSuchAccount = 7,
    /// <summary>Unavailable: the server's TLS certificate is not trusted, has expired or is another host's.</summary>
    Certificate = 8,
    /// <summary>Unavailable: nothing listens at the address.</summary>
    ConnectionRefused = 9,
    /// <summary>Unavailable: the host's name cannot be resolved.</summary>
    NameResolution = 10,
    /// <summary>InvalidArgument: the bucket is in another region.</summary>
    WrongRegion = 11,
    /// <summary>InvalidData: a checked read was asked for, and nothing is recorded to check the bytes with.</summary>
    NoChecksum = 12,
}
