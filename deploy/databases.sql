-- PostgreSQL makes the first database, mlflow, itself; both servers make their own tables.
CREATE DATABASE prefect;
